package page

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Handler serves the log as JSON: ?after=SEQ leaves out what is known already,
// ?limit=N bounds the answer, and ?follow=true keeps the answer open and writes
// one request per line as they come.
func (l *Log) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		params := r.URL.Query()
		after, okAfter := number(params.Get("after"))
		limit, okLimit := number(params.Get("limit"))
		if !okAfter || !okLimit {
			w.Header().Set("Content-Type", "application/json;charset=UTF-8")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"after and limit are numbers"}` + "\n")) // the client may be gone
			return
		}
		if params.Get("follow") == "true" {
			l.follow(w, r, after, int(limit))
			return
		}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_ = json.NewEncoder(w).Encode(l.After(after, int(limit))) // the client may be gone
	})
}

func number(text string) (int64, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return n, err == nil && n >= 0
}

// follow writes what is kept, and then what comes, until either side leaves.
func (l *Log) follow(w http.ResponseWriter, r *http.Request, after int64, limit int) {
	w.Header().Set("Content-Type", "application/x-ndjson;charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	encoder := json.NewEncoder(w)
	for batch := l.After(after, limit); ; batch = l.Wait(r.Context(), after) {
		for _, request := range batch {
			if encoder.Encode(request) != nil {
				return
			}
			after = request.Seq
		}
		_ = http.NewResponseController(w).Flush()
		if r.Context().Err() != nil || l.isClosed() {
			return
		}
	}
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
