package sqlite

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// noteTrail remembers which routes have a trail.
func (w *writer) noteTrail() error {
	for _, name := range w.trail.Names() {
		if err := execute(w.conn, "INSERT OR IGNORE INTO trail_routes (route) VALUES (?)", name); err != nil {
			return err
		}
	}
	return nil
}

// trail adds an entry to the audit trail.
func (tx *txn) trail(route string, b trail.Body) error {
	body, err := b.Encode()
	if err != nil {
		return err
	}
	stmt, err := tx.w.conn.Prepare("INSERT INTO trail (at, route, body) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	stmt.BindInt64(1, tx.now)
	stmt.BindText(2, route)
	stmt.BindBytes(3, body)
	if _, err := step(stmt); err != nil {
		return fmt.Errorf("write audit trail: %w", err)
	}
	return nil
}

func (tx *txn) trailAccepted(e *event.Event) error {
	if !tx.w.trail.Has(e.Route) {
		return nil
	}
	return tx.trail(e.Route, contract.TrailAccepted(contract.AcceptanceOf(e, instant(tx.now)), tx.w.owner))
}

// trailSettled enters the end of a claim. It comes before the batch of the event
// may change.
func (tx *txn) trailSettled(e *entry, st *delivery.Settlement) error {
	if !tx.w.trail.Has(e.room.name) {
		return nil
	}
	id, err := tx.idOf(e.seq, e.batch)
	if err != nil {
		return err
	}
	number := e.attempts
	if st.Do == delivery.Release {
		number = 0
	}
	if b, ok := contract.TrailSettled(id, number, st, tx.w.owner); ok {
		return tx.trail(e.room.name, b)
	}
	return nil
}

func (tx *txn) idOf(seq, batch int64) (string, error) {
	v, err := tx.volume(batch, false)
	if err != nil {
		return "", fmt.Errorf("read event: %w", err)
	}
	return v.traits[seq-batch].id, nil
}

// trailRedriven enters a redrive if the route ever had a trail.
func (tx *txn) trailRedriven(route, seq, batch int64, by string) error {
	name, err := tx.trailedName("SELECT name FROM routes WHERE id = ?1 AND EXISTS (SELECT 1 FROM trail_routes t WHERE t.route IN ('', name))", route)
	if err != nil || name == "" {
		return err
	}
	id, err := tx.idOf(seq, batch)
	if err != nil {
		return err
	}
	return tx.trail(name, contract.TrailRedriven(id, by, tx.w.owner))
}

func (tx *txn) trailedName(query string, arg any) (name string, err error) {
	stmt, err := tx.w.conn.Prepare(query)
	if err != nil {
		return "", err
	}
	switch arg := arg.(type) {
	case int64:
		stmt.BindInt64(1, arg)
	case string:
		stmt.BindText(1, arg)
	}
	row, err := stmt.Step()
	if err != nil {
		return "", fmt.Errorf("look for the trail of a route: %w", err)
	}
	if row {
		name = stmt.ColumnText(0)
	}
	return name, stmt.Reset()
}

// trailPosted enters what was posted to the register.
func (tx *txn) trailPosted(p *contract.Posting, entered []bool) error {
	for _, a := range p.Accepted {
		if err := tx.trail(p.Route, contract.TrailAccepted(a, tx.w.owner)); err != nil {
			return err
		}
	}
	has := tx.w.trail.Has(p.Route)
	for i := range p.Entries {
		e := &p.Entries[i]
		write := has && entered[i]
		if !has && entered[i] && e.Redrive {
			name, err := tx.trailedName("SELECT ?1 WHERE EXISTS (SELECT 1 FROM trail_routes t WHERE t.route IN ('', ?1))", p.Route)
			if err != nil {
				return err
			}
			write = name != ""
		}
		if !write {
			continue
		}
		if err := tx.trail(p.Route, contract.TrailEntered(e, tx.w.owner)); err != nil {
			return err
		}
	}
	return nil
}
