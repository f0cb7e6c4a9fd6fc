package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// shelfBytes bounds what the writer keeps of batches it has read: enough for
// the claims of a backlog, which follow one another.
const shelfBytes = 32 << 20

// volume is a batch as it was read.
type volume struct {
	batch
	traits []traits
	body   []byte
	opened bool // the body was read, if there is one
	weight int64
	used   int64
}

// shelf keeps the batches read last. Only the writer touches it.
type shelf struct {
	volumes map[int64]*volume
	weight  int64
	clock   int64
}

func newShelf() *shelf { return &shelf{volumes: map[int64]*volume{}} }

// clear forgets everything, because the file may be another than what was read.
func (s *shelf) clear() {
	clear(s.volumes)
	s.weight = 0
}

func (s *shelf) drop(first int64) {
	if v := s.volumes[first]; v != nil {
		s.weight -= v.weight
		delete(s.volumes, first)
	}
}

// use marks v as used, counts what it has grown by, and makes room.
func (s *shelf) use(v *volume, more int) {
	s.clock++
	v.used = s.clock
	v.weight += int64(more)
	s.weight += int64(more)
	for s.weight > shelfBytes && len(s.volumes) > 1 {
		oldest := v
		for _, other := range s.volumes {
			if other.used < oldest.used {
				oldest = other
			}
		}
		if oldest == v {
			return
		}
		s.drop(oldest.first)
	}
}

// volume returns a batch with its traits; its body on demand.
func (tx *txn) volume(first int64, body bool) (*volume, error) {
	s := tx.w.shelf
	v := s.volumes[first]
	if v == nil {
		var err error
		if v, err = readVolume(tx.w.stmts.readBatch, first); err != nil {
			return nil, err
		}
		s.volumes[first] = v
		s.use(v, len(v.traits)*160)
	}
	if !body || v.opened {
		s.use(v, 0)
		return v, nil
	}
	if err := v.open(tx.w.stmts.readBody); err != nil {
		return nil, err
	}
	s.use(v, len(v.body))
	return v, nil
}

const (
	readBatchQuery = "SELECT b.first, b.n, b.route, b.accepted, b.until, t.data FROM batches b JOIN traits t USING (first) WHERE b.first = ?"
	readBodyQuery  = "SELECT data FROM bodies WHERE first = ?"
)

// readVolume reads a batch without its body.
func readVolume(s *sqlite.Stmt, first int64) (*volume, error) {
	s.BindInt64(1, first)
	row, err := s.Step()
	if err != nil {
		return nil, fmt.Errorf("read batch: %w", err)
	}
	if !row {
		_ = s.Reset()
		return nil, fmt.Errorf("read batch: batch %d is missing", first)
	}
	v, err := scanVolume(s)
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	return v, err
}

// scanVolume reads the columns of readBatchQuery.
func scanVolume(s *sqlite.Stmt) (v *volume, err error) {
	v = &volume{batch: batch{
		first: s.ColumnInt64(0), n: s.ColumnInt(1), route: s.ColumnInt64(2), accepted: s.ColumnInt64(3), until: s.ColumnInt64(4),
	}}
	if v.traits, err = decodeTraits(s.ColumnText(5), v.n, v.accepted); err != nil {
		return nil, fmt.Errorf("read batch %d: %w", v.first, err)
	}
	return v, nil
}

// open reads the body.
func (v *volume) open(s *sqlite.Stmt) error {
	s.BindInt64(1, v.first)
	row, err := s.Step()
	if err != nil {
		return fmt.Errorf("read payloads: %w", err)
	}
	if row {
		v.body = columnBytes(s, 0)
	}
	v.opened = true
	return s.Reset()
}

// data copies the payload of event i; nil if retention removed it.
func (v *volume) data(i int) []byte {
	t := &v.traits[i]
	if v.body == nil || t.bare || t.at+t.size > len(v.body) {
		return nil
	}
	return append(make([]byte, 0, max(t.size, 1)), v.body[t.at:t.at+t.size]...)
}

// event is event i of the batch, without payload.
func (v *volume) event(i int, route string, k kind) event.Event {
	t := &v.traits[i]
	return event.Event{
		ID: t.id, Source: k.source, Type: k.typ, OrgID: k.org, Subject: t.subject, Time: instant(t.time),
		Key: t.key, Refilled: t.refilled, TraceParent: t.trace, Route: route,
	}
}

// read reads a claimed event back from the file.
func (tx *txn) read(route string, e *entry) (*event.Event, error) {
	v, err := tx.volume(e.batch, true)
	if err != nil {
		return nil, err
	}
	i := int(e.seq - v.first)
	if i < 0 || i >= len(v.traits) {
		return nil, fmt.Errorf("read event: record %d is missing", e.seq)
	}
	k, err := tx.kindOf(v.traits[i].kind)
	if err != nil {
		return nil, err
	}
	ev := v.event(i, route, k)
	ev.Data = v.data(i)
	return &ev, nil
}

// kindOf is the inverse of kind.
func (tx *txn) kindOf(number int64) (kind, error) {
	w := tx.w
	if k, ok := w.kindsByNumber[number]; ok {
		return k, nil
	}
	k, err := readKind(w.stmts.readKind, number)
	if err != nil {
		return k, err
	}
	if len(w.kindsByNumber) >= kindsKept {
		clear(w.kindsByNumber)
	}
	w.kindsByNumber[number] = k
	return k, nil
}

const readKindQuery = "SELECT source, type, org FROM kinds WHERE id = ?"

func readKind(s *sqlite.Stmt, number int64) (k kind, err error) {
	s.BindInt64(1, number)
	row, err := s.Step()
	if err != nil {
		return k, fmt.Errorf("read kind: %w", err)
	}
	if !row {
		_ = s.Reset()
		return k, fmt.Errorf("read kind: kind %d is missing", number)
	}
	k = kind{s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)}
	return k, s.Reset()
}

// repack writes changed traits of a batch, and its payloads without those that
// are bare now.
func (tx *txn) repack(v *volume) error {
	packed := []byte{traitsFormat}
	var body []byte
	for i := range v.traits {
		t := &v.traits[i]
		if !t.bare {
			if body == nil {
				body = make([]byte, 0, len(v.body))
			}
			body = append(body, v.body[t.at:t.at+t.size]...)
		}
		packed = t.encode(packed, v.accepted)
	}
	if body == nil {
		if err := tx.run1(tx.w.stmts.dropBody, v.first); err != nil {
			return fmt.Errorf("remove payloads: %w", err)
		}
	}
	tx.w.shelf.drop(v.first)
	return tx.fill(v.first, packed, body)
}

// run1 runs a statement of one number.
func (tx *txn) run1(s *sqlite.Stmt, n int64) error {
	s.BindInt64(1, n)
	_, err := step(s)
	return err
}
