package sqlite

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// ownership is the proof that this process alone writes the store's file.
//
// It is an open exclusive transaction on a second, empty database beside it:
// SQLite's own file locks work on every system that SQLite works on, and the
// kernel gives them up when the process dies, however it dies.
type ownership struct{ conn *sqlite.Conn }

// ownershipWait covers a predecessor that is just about to be gone.
const ownershipWait = 250 * time.Millisecond

// own takes the ownership of the store at path or says who has it.
func own(path string) (*ownership, error) {
	conn, err := sqlite.OpenConn(path+"-owner", sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open owner lock: %w", err)
	}
	conn.SetBusyTimeout(ownershipWait)
	if err := execute(conn, "BEGIN EXCLUSIVE"); err != nil {
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
			return nil, closing(conn, fmt.Errorf("take owner lock: %w", err))
		}
		return nil, closing(conn, owned(path))
	}
	return &ownership{conn}, nil
}

func owned(path string) error {
	hint := "stop the other process, or give this one a store of its own; PostgreSQL can be shared"
	if name := ownerName(path); name != "" {
		hint = "it is owned by " + name + ": " + hint
	}
	return &event.Error{
		Op: "open store " + path, Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: hint, Err: contract.ErrOwned,
	}
}

// ownerName reads who wrote itself down as owner; "" when that cannot be read.
func ownerName(path string) string {
	conn, err := openReader(path)
	if err != nil {
		return ""
	}
	defer conn.Close()
	var name string
	stmt, err := conn.Prepare("SELECT value FROM meta WHERE name = 'owner'")
	if err != nil {
		return ""
	}
	if row, err := stmt.Step(); err == nil && row {
		name = stmt.ColumnText(0)
	}
	return name
}

// release gives the ownership up.
func (o *ownership) release() error { return o.conn.Close() }
