package intake

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
)

// problemBody is a refusal on the wire (RFC 9457) with the three answers that a
// caller's retry logic needs.
type problemBody struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Code is the contract; the texts are for people.
	Code string `json:"code"`
	// Happened is "no", "yes" or "unknown".
	Happened string `json:"happened"`
	Retry    bool   `json:"retry"`
	// RetryAfter is in seconds.
	RetryAfter int    `json:"retry_after,omitempty"`
	Field      string `json:"field,omitempty"`
	NextStep   string `json:"next_step,omitempty"`
}

// Header names of our own answers.
const (
	errorHeader    = "X-Sallyport-Error"
	replayedHeader = "Idempotency-Replayed"
)

func writeProblem(w http.ResponseWriter, p *callout.Problem) {
	body := problemBody{
		Type: "about:blank", Title: title(p.Status), Status: p.Status, Detail: p.What, Code: p.Code,
		Happened: p.Happened.String(), Retry: p.Retry, Field: p.Field, NextStep: p.Next,
	}
	h := w.Header()
	if p.After > 0 {
		body.RetryAfter = int((p.After + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.Itoa(body.RetryAfter))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(errorHeader, p.Code)
	text, err := json.Marshal(body)
	if err != nil { // texts and numbers always can be written
		panic("write problem: " + err.Error())
	}
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // the caller is gone if this fails
}

func title(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Client Closed Request" // 499, which nobody reads
}

// writeAnswer passes an answer on. The application's own headers come first, so that
// ours about the connection win.
func writeAnswer(w http.ResponseWriter, r *http.Request, a *callout.Answer) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	if a.Replayed {
		h.Set(replayedHeader, "true")
	}
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified && r.Method != http.MethodHead {
		h["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
		if len(a.Body) > 0 && h["Content-Type"] == nil {
			h["Content-Type"] = nil // none came, and guessing one is not ours
		}
	}
	w.WriteHeader(a.Status)
	if len(a.Body) > 0 {
		_, _ = w.Write(a.Body)
	}
}
