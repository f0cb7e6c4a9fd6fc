package backlog

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Records is the number of different payloads, and so of record Ids, that the
// stream goes round.
const Records = 4096

const (
	idSize     = 36
	replaySize = 10
)

// Stream is the backlog of one run: events numbered from 1. It is immutable and
// safe for concurrent use.
type Stream struct {
	run       uint32
	templates []template
}

// template is one event as it stands in a FetchResponse, with the places where
// the number goes.
type template struct {
	bytes      []byte
	id, replay int
}

// NewStream encodes the payloads. The run makes the ids of different runs differ.
func NewStream(run uint32) (*Stream, error) {
	s := &Stream{run: run, templates: make([]template, Records)}
	for i := range s.templates {
		t, err := newTemplate(Payload(i, Create))
		if err != nil {
			return nil, err
		}
		s.templates[i] = t
	}
	return s, nil
}

// newTemplate encodes a response of one event with marks in place of its id and
// replay id and finds the marks: a repeated field of many responses laid end to
// end is one response of many events.
func newTemplate(payload []byte) (template, error) {
	id, replay := make([]byte, idSize), make([]byte, replaySize)
	for i := range id {
		id[i] = 1
	}
	for i := range replay {
		replay[i] = 2
	}
	b, err := proto.Marshal(&pubsubpb.FetchResponse{Events: []*pubsubpb.ConsumerEvent{{
		Event:    &pubsubpb.ProducerEvent{Id: string(id), SchemaId: SchemaID, Payload: payload},
		ReplayId: replay,
	}}})
	if err != nil {
		return template{}, fmt.Errorf("encode event: %w", err)
	}
	t := template{bytes: b, id: index(b, id), replay: index(b, replay)}
	if t.id < 0 || t.replay < 0 {
		return template{}, fmt.Errorf("encode event: marks not found")
	}
	return t, nil
}

func index(b, mark []byte) int {
	for i := 0; i+len(mark) <= len(b); i++ {
		if string(b[i:i+len(mark)]) == string(mark) {
			return i
		}
	}
	return -1
}

// EntrySize is at least the length of what AppendEvent appends for one event.
const EntrySize = PayloadSize + 120

// AppendEvent appends event n as an entry of a FetchResponse.
func (s *Stream) AppendEvent(dst []byte, n uint64) []byte {
	t := &s.templates[n%Records]
	start := len(dst)
	dst = append(dst, t.bytes...)
	putID(dst[start+t.id:], s.run, n)
	putReplay(dst[start+t.replay:], n)
	return dst
}

// ID returns the id of event n: a UUID whose last group is n.
func (s *Stream) ID(n uint64) string {
	var b [idSize]byte
	putID(b[:], s.run, n)
	return string(b[:])
}

func putID(b []byte, run uint32, n uint64) {
	var raw [8]byte
	binary.BigEndian.PutUint32(raw[:4], run)
	hex.Encode(b[:8], raw[:4])
	copy(b[8:24], "-5a11-4000-8000-")
	binary.BigEndian.PutUint64(raw[:], n)
	hex.Encode(b[24:36], raw[2:])
}

// putReplay writes a replay id: 10 bytes, the number in the first eight.
func putReplay(b []byte, n uint64) {
	binary.BigEndian.PutUint64(b, n)
	b[8], b[9] = 0, 0
}

// ReplayID returns the replay id of event n.
func ReplayID(n uint64) []byte {
	b := make([]byte, replaySize)
	putReplay(b, n)
	return b
}

// NumberOf returns the number at the end of an event id.
func NumberOf(id string) (uint64, bool) {
	if len(id) != idSize {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(id[24:]) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// NumberOfReplay returns the number in a replay id.
func NumberOfReplay(replay []byte) uint64 {
	if len(replay) != replaySize {
		return 0
	}
	return binary.BigEndian.Uint64(replay)
}
