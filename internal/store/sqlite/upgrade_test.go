package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// A file of the first version is brought up to date with what it holds.
func TestOpen_UpgradesAFileOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	conn, err := zsqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	script := sqlite.FirstSchema + `
		INSERT INTO gaps (subscription, state, cause, detail, span_from, span_until, opened, closed, refilled)
			VALUES ('/event/A__e', 'lost', 'position-expired', 'gone', 1000000, 2000000, 3000000, 4000000, 0);
		PRAGMA user_version = 1;`
	if err := sqlitex.ExecuteScript(conn, script, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	want := subscription.Gap{
		Number: 1, Subscription: "/event/A__e", State: subscription.GapLost, Cause: "position-expired", Detail: "gone",
		From: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC(), Opened: time.Unix(3, 0).UTC(), Closed: time.Unix(4, 0).UTC(),
	}
	gaps, err := s.Gaps(t.Context(), "")
	if diff := cmp.Diff([]subscription.Gap{want}, gaps); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}
