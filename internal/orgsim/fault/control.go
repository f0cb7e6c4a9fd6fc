package fault

import (
	"encoding/json"
	"net/http"
)

// maxControlBody bounds a control request; a fault is a few hundred bytes.
const maxControlBody = 64 << 10

// Handler serves the switchboard as JSON: GET lists, POST switches on (answers
// the id), DELETE with an id in the last path segment clears one, without it all.
// Mount it with and without a trailing "{id}".
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, b.List()) })
	mux.HandleFunc("POST /", b.serveSet)
	mux.HandleFunc("DELETE /{$}", func(w http.ResponseWriter, _ *http.Request) {
		b.ClearAll()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /{id}", b.serveClear)
	return mux
}

func (b *Board) serveSet(w http.ResponseWriter, r *http.Request) {
	var f Fault
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "read fault: " + err.Error()})
		return
	}
	id, err := b.Set(f)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"id": id})
}

func (b *Board) serveClear(w http.ResponseWriter, r *http.Request) {
	if !b.Clear(r.PathValue("id")) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no fault with this id"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
