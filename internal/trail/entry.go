package trail

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// Deed is what was done.
type Deed string

// The deeds. An attempt whose end nobody recorded (its process died) has no entry: it
// shows as a gap in the numbers of an event's attempts.
const (
	// Accepted: the event is durable where it waits.
	Accepted Deed = "accepted"
	// Attempted: an attempt ended without delivering, and the event waits again.
	Attempted Deed = "attempted"
	// Delivered: the application answered that it has the event.
	Delivered Deed = "delivered"
	// Dead: the event became a dead letter.
	Dead Deed = "dead"
	// Redriven: a person let a dead letter wait again.
	Redriven Deed = "redriven"
	// Dropped: retention removed the beginning of the trail, up to a place.
	Dropped Deed = "dropped"
)

// Body is what an entry says. It is kept as the JSON it is made into, once.
type Body struct {
	Deed  Deed   `json:"deed"`
	Event string `json:"event,omitempty"`
	Type  string `json:"type,omitempty"`
	// Digest is the SHA-256 of the payload as accepted, in hexadecimal; Bytes its size.
	// A payload that was sealed without its digest has neither.
	Digest string `json:"digest,omitempty"`
	Bytes  int    `json:"bytes,omitempty"`
	// Attempt is the number of the attempt that ended; 0 of one that does not count,
	// because it found the application unavailable.
	Attempt  int        `json:"attempt,omitempty"`
	Verdict  string     `json:"verdict,omitempty"`
	Status   int        `json:"status,omitempty"`
	Happened string     `json:"happened,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	// By is the person (as far as known) who had it done, Process the gateway that did it.
	By      string `json:"by,omitempty"`
	Process string `json:"process,omitempty"`
	// UpTo is the last place that retention removed.
	UpTo int64 `json:"up_to,omitempty"`
}

// Encode makes a body what it is kept as.
func (b Body) Encode() ([]byte, error) {
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode entry of the trail: %w", err)
	}
	return out, nil
}

// Entry is one row of the trail.
type Entry struct {
	// Number is given when the entry is written. It rises, with gaps.
	Number int64
	// At is the time of the deed by the store's clock, in whole microseconds.
	At    time.Time
	Route string
	Body  []byte
	// Place is the entry's in the chain, from 1 without gaps; 0 until it is sealed.
	Place int64
	// Hash is over the hash of the entry before and all of the above; Prev is that
	// of the entry before, where it is known.
	Hash, Prev []byte
}

// Link returns the hash of an entry that follows one with the hash prev.
func (e *Entry) Link(prev []byte) []byte {
	b := append(make([]byte, 0, 128+len(e.Route)+len(e.Body)), "sallyport trail entry 1\n"...)
	b = field(b, prev)
	for _, n := range [...]int64{e.Place, e.Number, e.At.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = field(field(b, []byte(e.Route)), e.Body)
	sum := sha256.Sum256(b)
	return sum[:]
}

func field(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// Seal closes the chain up to a place.
type Seal struct {
	// Number rises by one from 1.
	Number int64
	// Place and Hash are those of the last entry that it covers.
	Place int64
	Hash  []byte
	At    time.Time
	// Prev is the digest of the seal before (empty of the first), Digest this one's.
	Prev, Digest []byte
	// Key names the key of the signature; both are empty on an unsigned seal.
	Key       string
	Signature []byte
}

func (s *Seal) digest() []byte {
	b := append(make([]byte, 0, 160), "sallyport trail seal 1\n"...)
	b = field(b, s.Prev)
	for _, n := range [...]int64{s.Number, s.Place, s.At.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	sum := sha256.Sum256(field(b, s.Hash))
	return sum[:]
}

// Continue chains entries, which have no place yet, behind last (the zero value at
// the beginning), giving them place and hash, and returns the seal that covers
// them. A nil signer signs nothing.
func Continue(last Seal, entries []Entry, at time.Time, signer *Signer) Seal {
	s := Seal{Number: last.Number + 1, Place: last.Place, Hash: last.Hash, At: at.UTC().Truncate(time.Microsecond), Prev: last.Digest}
	for i := range entries {
		e := &entries[i]
		s.Place++
		e.Place, e.Prev = s.Place, s.Hash
		e.Hash = e.Link(s.Hash)
		s.Hash = e.Hash
	}
	s.Digest = s.digest()
	signer.sign(&s)
	return s
}

func (s *Seal) signed() []byte { return append([]byte("sallyport trail seal 1\n"), s.Digest...) }

func (s *Signer) sign(seal *Seal) {
	if s != nil {
		seal.Key, seal.Signature = s.id, ed25519.Sign(s.key, seal.signed())
	}
}

// Unsealed is what no seal covers yet.
type Unsealed struct {
	Count  int64
	Oldest time.Time // zero if there is none
}

// Reader reads a trail. Each call sees what was committed at its moment.
type Reader interface {
	// TrailSeals returns seals with a greater number, in order.
	TrailSeals(ctx context.Context, after int64, limit int) ([]Seal, error)
	// TrailEntries returns entries with a greater place, in order.
	TrailEntries(ctx context.Context, after int64, limit int) ([]Entry, error)
	// TrailUnsealed tells of entries without a place.
	TrailUnsealed(ctx context.Context) (Unsealed, error)
}

// Book is a store's trail. All of it is safe for concurrent use, also by several
// processes on one store.
type Book interface {
	Reader
	// SealTrail chains up to limit entries that have no place yet, in the order of
	// their numbers, and adds the seal. It returns how many there were; none makes no
	// seal, and neither does a call while another process is sealing.
	SealTrail(ctx context.Context, limit int, signer *Signer) (int, error)
	// DropTrail removes what seals older than before cover, about limit entries at a
	// time, and leaves the last of these seals as anchor. An entry that says so is sealed
	// in the same transaction. It returns how many entries it removed; none means that
	// nothing is old enough, or that another process is at work on the trail.
	DropTrail(ctx context.Context, before time.Time, limit int64, signer *Signer) (int64, error)
}
