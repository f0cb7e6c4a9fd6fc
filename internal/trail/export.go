package trail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// exportVersion is the version of the form that is written.
const exportVersion = 1

// Selection is which entries an export holds. The zero value is all of them.
type Selection struct {
	Route string    `json:"route,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

func (s Selection) all() bool { return s == Selection{} }

func (s Selection) holds(e *Entry) bool {
	return (s.Route == "" || e.Route == s.Route) && (s.Since.IsZero() || !e.At.Before(s.Since)) && (s.Until.IsZero() || e.At.Before(s.Until))
}

// line is a line of an export: one of its fields is set.
type line struct {
	Header  *lineHeader  `json:"header,omitempty"`
	Anchor  *lineSeal    `json:"anchor,omitempty"`
	Entry   *lineEntry   `json:"entry,omitempty"`
	Seal    *lineSeal    `json:"seal,omitempty"`
	Trailer *lineTrailer `json:"trailer,omitempty"`
}

type lineHeader struct {
	Form      string    `json:"form"`
	Version   int       `json:"version"`
	At        time.Time `json:"at"`
	Selection Selection `json:"selection"`
	// Whole says that every entry from the beginning (or the anchor) is there.
	Whole bool `json:"whole"`
}

type lineEntry struct {
	Place  int64     `json:"place"`
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Route  string    `json:"route"`
	// Body is as it was hashed; Raw takes its place where it is no compact JSON.
	Body json.RawMessage `json:"body,omitempty"`
	Raw  []byte          `json:"raw,omitempty"`
	Prev string          `json:"prev"`
	Hash string          `json:"hash"`
}

type lineSeal struct {
	Number    int64     `json:"number"`
	Place     int64     `json:"place"`
	Hash      string    `json:"hash"`
	At        time.Time `json:"at"`
	Prev      string    `json:"prev"`
	Digest    string    `json:"digest"`
	Key       string    `json:"key,omitempty"`
	Signature []byte    `json:"signature,omitempty"`
}

type lineTrailer struct {
	// Lines is how many lines are above, SHA256 that of their bytes.
	Lines     int64  `json:"lines"`
	Entries   int64  `json:"entries"`
	SHA256    string `json:"sha256"`
	Key       string `json:"key,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}

func (t *lineTrailer) signed() []byte {
	return fmt.Appendf(nil, "sallyport audit export 1\n%d %d %s\n", t.Lines, t.Entries, t.SHA256)
}

const exportForm = "sallyport-audit-export"

// Export writes the sealed entries that a selection holds as JSON Lines: a header, the entries, the
// seals behind what they cover, and a trailer with the digest of all, signed where
// there is a signer. It returns how many entries it wrote.
func Export(ctx context.Context, r Reader, w io.Writer, sel Selection, at time.Time, signer *Signer, progress Progress) (int64, error) {
	buffered := bufio.NewWriterSize(w, 64<<10)
	x := &exporter{sum: sha256.New()}
	x.to = json.NewEncoder(io.MultiWriter(buffered, x.sum))
	x.to.SetEscapeHTML(false)
	x.write(line{Header: &lineHeader{Form: exportForm, Version: exportVersion, At: at.UTC(), Selection: sel, Whole: sel.all()}})
	if err := walk(ctx, r, visitor{
		anchor: func(s Seal) error { x.last = s.Hash; return x.write(line{Anchor: sealLine(s)}) },
		entry: func(e *Entry) error {
			e.Prev, x.last = x.last, e.Hash
			if progress != nil {
				progress(e.Place)
			}
			if !sel.holds(e) {
				return x.err
			}
			x.entries++
			return x.write(line{Entry: entryLine(e)})
		},
		seal:    func(s Seal) error { return x.write(line{Seal: sealLine(s)}) },
		strayed: func(*Entry) error { return nil }, // verify tells of them
	}); err != nil {
		return x.entries, err
	}
	t := &lineTrailer{Lines: x.lines, Entries: x.entries, SHA256: hex.EncodeToString(x.sum.Sum(nil))}
	if signer != nil {
		t.Key, t.Signature = signer.id, ed25519.Sign(signer.key, t.signed())
	}
	x.write(line{Trailer: t})
	if err := errors.Join(x.err, buffered.Flush()); err != nil {
		return x.entries, fmt.Errorf("write export: %w", err)
	}
	return x.entries, nil
}

type exporter struct {
	to             *json.Encoder
	sum            hash.Hash
	last           []byte
	lines, entries int64
	err            error
}

func (x *exporter) write(l line) error {
	if x.err == nil {
		x.err = x.to.Encode(l)
		x.lines++
	}
	return x.err
}

func entryLine(e *Entry) *lineEntry {
	l := &lineEntry{
		Place: e.Place, Number: e.Number, At: e.At.UTC(), Route: e.Route, Prev: hex.EncodeToString(e.Prev), Hash: hex.EncodeToString(e.Hash),
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Body); err == nil && bytes.Equal(compact.Bytes(), e.Body) {
		l.Body = e.Body
	} else {
		l.Raw = e.Body
	}
	return l
}

func (l *lineEntry) entry() (e Entry, err error) {
	e = Entry{Number: l.Number, At: l.At.UTC(), Route: l.Route, Body: l.Body, Place: l.Place}
	if l.Raw != nil {
		e.Body = l.Raw
	}
	var errs [2]error
	e.Prev, errs[0] = hex.DecodeString(l.Prev)
	e.Hash, errs[1] = hex.DecodeString(l.Hash)
	return e, errors.Join(errs[:]...)
}

func sealLine(s Seal) *lineSeal {
	return &lineSeal{
		Number: s.Number, Place: s.Place, Hash: hex.EncodeToString(s.Hash), At: s.At.UTC(),
		Prev: hex.EncodeToString(s.Prev), Digest: hex.EncodeToString(s.Digest), Key: s.Key, Signature: s.Signature,
	}
}

func (l *lineSeal) seal() (s Seal, err error) {
	s = Seal{Number: l.Number, Place: l.Place, At: l.At.UTC(), Key: l.Key, Signature: l.Signature}
	var errs [3]error
	s.Hash, errs[0] = hex.DecodeString(l.Hash)
	s.Prev, errs[1] = hex.DecodeString(l.Prev)
	s.Digest, errs[2] = hex.DecodeString(l.Digest)
	return s, errors.Join(errs[:]...)
}
