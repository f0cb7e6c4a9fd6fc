package subscription

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// header is what the header of a change event tells of its transaction.
type header struct {
	Key      string `json:"transactionKey"`
	Sequence int64  `json:"sequenceNumber"`
	User     string `json:"commitUser"`
	// Commit is as the event has it.
	Commit json.RawMessage `json:"commitTimestamp"`
}

// headerOf reads a change event's header; the zero header where there is none.
func headerOf(e *event.Event) header {
	var data struct {
		Header header `json:"header"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return header{}
	}
	return data.Header
}

// group is the changes of a transaction so far.
type group struct {
	head    header
	first   event.Event // without its data
	changes bytes.Buffer
	count   int
	last    int64 // sequence number
	digest  hash.Hash
}

// change is one change in a group's data.
type change struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject,omitempty"`
	Time     time.Time       `json:"time"`
	Refilled bool            `json:"refilled,omitempty"`
	Data     json.RawMessage `json:"data"`
}

// changeOverhead is the size of a change in a group besides its data, for the bound.
const changeOverhead = 256

func newGroup(h header, e *event.Event) *group {
	g := &group{head: h, first: *e, digest: sha256.New()}
	g.first.Data = nil
	_, _ = g.digest.Write([]byte(e.Source)) // a hash never fails
	return g
}

func (g *group) add(h header, e *event.Event) {
	if g.count > 0 {
		g.changes.WriteByte(',')
	}
	text, err := json.Marshal(change{e.ID, e.Type, e.Subject, e.Time.UTC(), e.Refilled, e.Data})
	if err != nil { // the data is no JSON
		text, _ = json.Marshal(change{e.ID, e.Type, e.Subject, e.Time.UTC(), e.Refilled, json.RawMessage("null")})
	}
	g.changes.Write(text)
	_, _ = g.digest.Write([]byte("\n" + e.ID))
	g.count++
	g.last = h.Sequence
}

func (g *group) size() int { return g.changes.Len() }

// event makes the group one event. Its id is made from its members: the same
// changes have the same id however often they are read, and a group that was cut
// elsewhere has another, so that it is never taken for one that lacks some of them.
func (g *group) event(last bool) event.Event {
	e := g.first
	e.Type, e.Subject, e.Key = event.TypeTransaction, "", e.Source
	if g.head.Key != "" {
		e.ID = g.head.Key + "/" + hex.EncodeToString(g.digest.Sum(nil)[:8])
	}
	commit := g.head.Commit
	if len(commit) == 0 {
		commit = json.RawMessage("null")
	}
	head, _ := json.Marshal(struct { // texts, numbers and what was JSON always marshal
		Key    string          `json:"transactionKey"`
		Commit json.RawMessage `json:"commitTimestamp"`
		User   string          `json:"commitUser"`
		First  int64           `json:"firstSequence"`
		End    int64           `json:"lastSequence"`
		Last   bool            `json:"last"`
		Count  int             `json:"count"`
	}{g.head.Key, commit, g.head.User, g.head.Sequence, g.last, last, g.count})
	data := make([]byte, 0, len(head)+g.changes.Len()+16)
	data = append(append(data, head[:len(head)-1]...), `,"changes":[`...)
	e.Data = append(append(data, g.changes.Bytes()...), "]}"...)
	return e
}

// alone makes a group of a change whose transaction is not known, or is not to be
// waited for: one that was refilled.
func alone(e *event.Event) event.Event {
	h := headerOf(e)
	h.Key = "" // the id is the change's own
	g := newGroup(h, e)
	g.add(h, e)
	return g.event(true)
}
