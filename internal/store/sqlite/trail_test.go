package sqlite_test

import (
	"path/filepath"
	"testing"

	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestTrail(t *testing.T) {
	t.Parallel()
	storetest.RunTrail(t, func(t *testing.T) *storetest.Trail {
		dir := t.TempDir()
		path := filepath.Join(dir, "trail.db")
		trailed := func(c *contract.Config) { c.Trail.Routes = []string{"orders"} }
		h := &storetest.Trail{Harness: harnessAt(path, trailed)}
		change := func(t testing.TB, f func(c *zsqlite.Conn) error) {
			t.Helper()
			conn, err := zsqlite.OpenConn(path, zsqlite.OpenReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := f(conn); err != nil {
				t.Fatal(err)
			}
			if n := conn.Changes(); n != 1 {
				t.Fatalf("%d rows changed", n)
			}
		}
		h.Flip = func(t testing.TB, table, column string, number int64) {
			change(t, func(c *zsqlite.Conn) error {
				var value any
				if err := sqlitex.Execute(c, "SELECT "+column+" FROM "+table+" WHERE number = ?", &sqlitex.ExecOptions{
					Args: []any{number}, ResultFunc: func(s *zsqlite.Stmt) error { value = flip(s); return nil },
				}); err != nil {
					return err
				}
				return sqlitex.Execute(c, "UPDATE "+table+" SET "+column+" = ? WHERE number = ?", &sqlitex.ExecOptions{Args: []any{value, number}})
			})
		}
		h.Remove = func(t testing.TB, table string, number int64) {
			change(t, func(c *zsqlite.Conn) error {
				return sqlitex.Execute(c, "DELETE FROM "+table+" WHERE number = ?", &sqlitex.ExecOptions{Args: []any{number}})
			})
		}
		return h
	})
}

// flip changes one bit of a value.
func flip(s *zsqlite.Stmt) any {
	switch s.ColumnType(0) {
	case zsqlite.TypeInteger:
		return s.ColumnInt64(0) ^ 1<<20
	case zsqlite.TypeText:
		return string(flipBytes([]byte(s.ColumnText(0))))
	}
	b := make([]byte, s.ColumnLen(0))
	s.ColumnBytes(0, b)
	return flipBytes(b)
}

// flipBytes changes one bit in the middle; of nothing it makes something, and back.
func flipBytes(b []byte) []byte {
	switch {
	case len(b) == 0:
		return []byte{'!'}
	case len(b) == 1 && b[0] == '!':
		return []byte{}
	}
	b[len(b)/2] ^= 1
	return b
}
