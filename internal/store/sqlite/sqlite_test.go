package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	goleak.VerifyTestMain(m)
}

// open opens the file at path as its owner.
func open(t testing.TB, path string, change ...func(*contract.Config)) contract.Store {
	t.Helper()
	cfg := contract.Config{URL: path, Owner: "test", Poll: 10 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	s, err := sqlite.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func harness(t testing.TB, change ...func(*contract.Config)) *storetest.Harness {
	return harnessAt(filepath.Join(t.TempDir(), "store.db"), change...)
}

// harnessAt is a harness whose data is at path until it crashes.
func harnessAt(path string, change ...func(*contract.Config)) *storetest.Harness {
	clock := storetest.NewClock()
	change = append(change, func(c *contract.Config) { c.Now = clock.Now })
	return &storetest.Harness{
		Clock: clock,
		Open:  func(t testing.TB) contract.Store { return open(t, path, change...) },
		Crash: func(t testing.TB, s contract.Store) contract.Store {
			// What a power cut would leave: the files as they are.
			crashed := path + "-crashed"
			for _, suffix := range []string{"", "-wal"} {
				data, err := os.ReadFile(path + suffix)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(crashed+suffix, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path = crashed
			return open(t, path, change...)
		},
		Tamper: func(t testing.TB, how storetest.Tampering) { tamper(t, path, how) },
	}
}

func tamper(t testing.TB, path string, how storetest.Tampering) {
	t.Helper()
	conn, err := zsqlite.OpenConn(path, zsqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := map[storetest.Tampering]string{
		storetest.LoseRecord:         "UPDATE batches SET n = n - 1, open = open - 1",
		storetest.MarkDelivered:      "INSERT INTO progress SELECT max(first + n - 1), route, 1, 0, 1, 0, 0, 0, 1 FROM batches",
		storetest.InflateAccepted:    "UPDATE routes SET accepted = accepted + 5",
		storetest.InflateRedelivered: "UPDATE routes SET redelivered = redelivered + 1",
		storetest.LosePayload:        "UPDATE bodies SET data = substr(data, 1, length(data) - 1)",
	}[how]
	if err := sqlitex.ExecuteTransient(conn, query, nil); err != nil {
		t.Fatal(err)
	}
	if conn.Changes() != 1 {
		t.Fatalf("%s changed %d rows", how, conn.Changes())
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *storetest.Harness { return harness(t) })
}

// TestConformance_SmallWindow runs the suite with hardly any memory, so that
// nearly every event waits in the file and has to be loaded and read back.
func TestConformance_SmallWindow(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *storetest.Harness {
		return harness(t, func(c *contract.Config) { c.Memory, c.Window = 1, 8 })
	})
}

func TestIntake(t *testing.T) {
	t.Parallel()
	storetest.RunIntake(t, func(t *testing.T) *storetest.Harness { return harness(t) })
	storetest.RunFollow(t, func(t *testing.T) *storetest.Harness { return harness(t) })
}

// TestIntake_FewInMemory runs the suite with hardly any memory for ids, so that
// nearly every one moves to the table and is looked up there.
func TestIntake_FewInMemory(t *testing.T) {
	t.Parallel()
	few := func(t *testing.T) *storetest.Harness {
		h := harness(t, func(c *contract.Config) { c.Memory, c.Window = 1, 8 })
		open := h.Open
		h.Open = func(t testing.TB) contract.Store {
			s := open(t)
			sqlite.GatherIDs(t.Context(), s, 8)
			return s
		}
		return h
	}
	storetest.RunIntake(t, few)
	storetest.RunFollow(t, few)
}
