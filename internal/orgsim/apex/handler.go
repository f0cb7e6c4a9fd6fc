package apex

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// Summary is a transaction in a list.
type Summary struct {
	ID        string    `json:"id"`
	Parent    string    `json:"parent,omitempty"`
	Name      string    `json:"name"`
	Context   Context   `json:"context"`
	Status    Status    `json:"status"`
	Enqueued  time.Time `json:"enqueued"`
	Exception string    `json:"exception,omitempty"`
	Callouts  int64     `json:"callouts"`
}

// Handler serves transactions as JSON: POST runs the script in the body and answers
// its result, GET lists, GET with an id in the last path segment shows one.
//
// With wait=jobs the answer waits for the jobs that come of it, and for theirs; with
// wait=none a POST answers 202 and the id at once. What the script did is in the
// answer, whose status is 200 for a failed transaction too: the simulator did its work.
func (rt *Runtime) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", rt.serveRun)
	mux.HandleFunc("GET /{$}", rt.serveList)
	mux.HandleFunc("GET /{id}", rt.serveOne)
	return mux
}

func (rt *Runtime) serveRun(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxScript))
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	script, err := Parse(data)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	id, err := rt.Start(script)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err)
		return
	}
	if r.URL.Query().Get("wait") == "none" {
		writeJSON(w, http.StatusAccepted, map[string]string{"id": id})
		return
	}
	rt.answer(w, r, id, true)
}

func (rt *Runtime) serveOne(w http.ResponseWriter, r *http.Request) {
	rt.answer(w, r, r.PathValue("id"), r.URL.Query().Has("wait"))
}

// answer shows a transaction, at its end if asked to wait.
func (rt *Runtime) answer(w http.ResponseWriter, r *http.Request, id string, wait bool) {
	result, known := rt.Result(id)
	var err error
	switch {
	case !known:
		err = ErrUnknown
	case r.URL.Query().Get("wait") == "jobs":
		result, err = rt.WaitAll(r.Context(), id)
	case wait:
		result, err = rt.Wait(r.Context(), id)
	}
	switch {
	case errors.Is(err, ErrUnknown):
		writeProblem(w, http.StatusNotFound, err)
	case err != nil:
		writeProblem(w, http.StatusServiceUnavailable, err)
	default:
		writeJSON(w, http.StatusOK, result)
	}
}

func (rt *Runtime) serveList(w http.ResponseWriter, _ *http.Request) {
	list := []Summary{}
	for _, r := range rt.Results() {
		s := Summary{
			ID: r.ID, Parent: r.Parent, Name: r.Name, Context: r.Context, Status: r.Status, Enqueued: r.Enqueued,
			Callouts: r.Limits["callouts"].Used,
		}
		if r.Exception != nil {
			s.Exception = r.Exception.Error()
		}
		list = append(list, s)
	}
	writeJSON(w, http.StatusOK, list)
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
