package sqlite

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
)

const (
	// memoryFill is how many ids gather in memory before they go into the table.
	memoryFill = 1 << 17
	// memoryReach is how many records a restart reads at most to find them.
	memoryReach = 1 << 20
	// memoryStep is how many of them a commit takes along at least.
	memoryStep = 256
)

// mark is what the store keeps of an id and its route, or of a digest: so much
// of a SHA-256 that no two will ever meet.
type mark [16]byte

// markOf is the mark of an id known to a route.
func markOf(route int64, id string) mark {
	var room [128]byte
	b := append(room[:0], byte(route), byte(route>>8), byte(route>>16), byte(route>>24), byte(route>>32))
	sum := sha256.Sum256(append(b, id...))
	return mark(sum[:16])
}

// digestMark is the mark of a digest; zero for none.
func digestMark(digest []byte) mark {
	if digest == nil {
		return mark{}
	}
	sum := sha256.Sum256(digest)
	return mark(sum[:16])
}

// memory is what is known of a remembered id.
type memory struct {
	accepted, until int64
	digest          mark
}

// memories are the ids that Accept has to know again. An id is written once, in
// the record of its event, at the end of the file; keeping the table by id up to
// date with every commit would rewrite a page for each, because ids are random.
// So new ones gather in memory, from where they go into the table sorted and a
// few with each commit. After a crash the records say what had gathered.
type memories struct {
	recent map[mark]memory
	// settling are the ids on their way into the table, sorted; the first next of
	// them are there. They are looked up in former until all are.
	settling []mark
	former   map[mark]memory
	next     int
	turning  bool
	// The ids of records up to done are in the table, or forgotten; those up to
	// upTo are in former.
	upTo, done int64
	// table says that the table may hold something; expiry is no later than the
	// first end of a memory there, came no later than that of one that came during a sweep.
	table        bool
	expiry, came int64
	fill         int
}

func newMemories() *memories {
	return &memories{recent: map[mark]memory{}, fill: memoryFill, expiry: forever}
}

// turn begins to move what has gathered into the table, once it is enough and
// the last turn has ended. The newest record is last.
func (m *memories) turn(now, last int64) {
	if m.turning || len(m.recent) < m.fill && last-m.done < memoryReach {
		return
	}
	m.turning = true
	m.former, m.recent = m.recent, make(map[mark]memory, len(m.recent))
	m.upTo, m.next = last, 0
	m.settling = m.settling[:0]
	for k, is := range m.former {
		if is.until > now {
			m.settling = append(m.settling, k)
		}
	}
	slices.SortFunc(m.settling, func(a, b mark) int { return bytes.Compare(a[:], b[:]) })
}

// forget drops what has expired among the recent ids and says how many.
func (m *memories) forget(now int64) (n int64) {
	for k, is := range m.recent {
		if is.until <= now {
			delete(m.recent, k)
			n++
		}
	}
	return n
}

// undoMemory takes an id back that a failed commit had remembered.
type undoMemory struct {
	key    mark
	before memory
	was    bool
}

// known looks an id up.
func (tx *txn) known(k mark) (is memory, ok bool, err error) {
	m := tx.w.memories
	if is, ok = m.recent[k]; !ok {
		is, ok = m.former[k]
	}
	if !ok && m.table {
		if is, ok, err = tx.recall(k); err != nil {
			return is, false, fmt.Errorf("look up id: %w", err)
		}
	}
	return is, ok && is.until > tx.now, nil
}

// recall looks an id up in the table.
func (tx *txn) recall(k mark) (is memory, found bool, err error) {
	s := tx.w.stmts.recall
	s.BindBytes(1, k[:])
	if found, err = s.Step(); err != nil {
		return is, false, err
	}
	if found {
		is.accepted, is.until = s.ColumnInt64(0), s.ColumnInt64(1)
		s.ColumnBytes(2, is.digest[:])
	}
	return is, found, s.Reset()
}

// remember keeps an id until the transaction fails.
func (tx *txn) remember(k mark, is memory) {
	m := tx.w.memories
	before, was := m.recent[k]
	tx.remembered = append(tx.remembered, undoMemory{key: k, before: before, was: was})
	m.recent[k] = is
}

// forgetAgain undoes remember.
func (m *memories) forgetAgain(undo []undoMemory) {
	for _, u := range slices.Backward(undo) {
		if u.was {
			m.recent[u.key] = u.before
			continue
		}
		delete(m.recent, u.key)
	}
}

// memorize moves some of what has gathered into the table.
func (tx *txn) memorize() error {
	m := tx.w.memories
	m.turn(tx.now, tx.w.seq)
	if !m.turning {
		return nil
	}
	end := min(m.next+max(memoryStep, 4*len(tx.remembered)), len(m.settling))
	for _, k := range m.settling[m.next:end] {
		if err := tx.note(k, m.former[k]); err != nil {
			return err
		}
	}
	if end == len(m.settling) {
		if err := tx.setMeta("remembered", m.upTo); err != nil {
			return fmt.Errorf("write down ids: %w", err)
		}
	}
	tx.memorized = end
	return nil
}

// note writes one id into the table.
func (tx *txn) note(k mark, is memory) error {
	s := tx.w.stmts.note
	s.BindBytes(1, k[:])
	s.BindInt64(2, is.accepted)
	s.BindInt64(3, is.until)
	s.BindBytes(4, is.digest[:])
	if _, err := step(s); err != nil {
		return fmt.Errorf("write down id: %w", err)
	}
	tx.noted = min(tx.noted, is.until)
	return nil
}

// confirm finishes in memory what memorize has written.
func (m *memories) confirm(tx *txn) {
	if tx.noted < forever {
		m.table, m.expiry, m.came = true, min(m.expiry, tx.noted), min(m.came, tx.noted)
	}
	if !m.turning {
		return
	}
	if m.next = tx.memorized; m.next == len(m.settling) {
		m.former, m.done, m.turning = nil, m.upTo, false
	}
}

// restore gathers the ids of records that the table does not hold.
func (m *memories) restore(conn *sqlite.Conn, now int64) (err error) {
	if m.done, err = resultInt(conn, "SELECT coalesce((SELECT value FROM meta WHERE name = 'remembered'), 0)"); err != nil {
		return fmt.Errorf("read remembered ids: %w", err)
	}
	rows, err := resultInt(conn, "SELECT count(*) FROM (SELECT 1 FROM ids LIMIT 1)")
	if err != nil {
		return fmt.Errorf("read remembered ids: %w", err)
	}
	if m.table = rows > 0; m.table {
		m.expiry = 0 // unknown: the next sweep finds out
	}
	stmt, err := conn.Prepare("SELECT b.first, b.n, b.route, b.accepted, b.until, t.data FROM batches b JOIN traits t USING (first) WHERE b.first + b.n > ? AND b.until > ?")
	if err != nil {
		return err
	}
	stmt.BindInt64(1, m.done)
	stmt.BindInt64(2, now)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return err
		}
		v, err := scanVolume(stmt)
		if err != nil {
			_ = stmt.Reset()
			return err
		}
		for i := range v.traits {
			if t := &v.traits[i]; t.until > now && v.first+int64(i) > m.done {
				m.recent[markOf(v.route, t.id)] = memory{accepted: v.accepted, until: t.until, digest: t.digest}
			}
		}
	}
}
