package sink

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
)

// beforeID stands before the id of each event of a batch, and nowhere in the
// payloads of a benchmark.
var beforeID = []byte(`{"specversion":"1.0","id":"`)

// serveBatch takes the events of one request (CloudEvents JSON batch format). Their
// ids are found by their place, which costs little; in one of many batches that is
// compared with what a JSON decoder finds.
func (s *Sink) serveBatch(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	body.Grow(int(max(0, min(r.ContentLength, 4<<20))))
	_, err := body.ReadFrom(r.Body)
	ids := idsOf(body.Bytes())
	s.mu.Lock()
	look := s.batches%checkEvery == 0
	s.batches++
	s.mu.Unlock()
	ok := err == nil && len(ids) > 0 && (!look || slices.Equal(ids, decoded(body.Bytes())))
	if ok && look && s.secret != nil {
		ok = s.signed(r, body.Bytes())
	}
	if !ok {
		s.count(0, false)
	}
	for _, id := range ids {
		n, known := backlog.NumberOf(id)
		s.count(n, known)
	}
	w.WriteHeader(http.StatusOK)
}

func idsOf(body []byte) (ids []string) {
	for {
		at := bytes.Index(body, beforeID)
		if at < 0 {
			return ids
		}
		body = body[at+len(beforeID):]
		end := bytes.IndexByte(body, '"')
		if end < 0 {
			return ids
		}
		ids = append(ids, string(body[:end]))
	}
}

// decoded are the ids that a decoder finds; none of a batch that it cannot read, or
// in which an event lacks its payload.
func decoded(body []byte) (ids []string) {
	var events []struct {
		ID   string          `json:"id"`
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &events) != nil {
		return nil
	}
	for _, e := range events {
		if e.Type == "" || len(e.Data) == 0 || e.Data[0] != '{' {
			return nil
		}
		ids = append(ids, e.ID)
	}
	return ids
}
