package testkit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverEnv names a PostgreSQL server to use instead of starting one.
const serverEnv = "SALLYPORT_TEST_POSTGRES"

// Database is a place in a PostgreSQL server that belongs to one test.
type Database struct {
	// URL is the server's; its user may create schemas.
	URL string
	// Schema is a name that nobody else uses. It does not exist yet, and is
	// dropped with all it holds when the test ends.
	Schema string
}

// Postgres gives a test a schema of its own in a real PostgreSQL server: that
// of SALLYPORT_TEST_POSTGRES (a URL), or one that is started for this test
// binary and stopped by [Main]. Without either it fails the test.
func Postgres(t testing.TB) Database {
	t.Helper()
	url := os.Getenv(serverEnv)
	if url == "" {
		var err error
		if url, err = private.start(); err != nil {
			t.Fatalf("no PostgreSQL for this test: %v", err)
		}
	}
	db := Database{URL: url, Schema: "test_" + strings.ToLower(rand.Text()[:16])}
	t.Cleanup(func() {
		if err := db.drop(); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	return db
}

// drop removes the schema. A connection that the test left open and that holds
// locks makes it fail instead of waiting for ever.
func (d Database) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{d.Schema}.Sanitize()+" CASCADE")
	return err
}

// private is the server of this test binary. It is the one piece of state that
// tests of a package share, because starting a server takes a second.
var private server

// server is a PostgreSQL server run by scripts/postgres.sh. The script stops it
// when its standard input ends, which it does even when this process is killed.
type server struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
	err   error
}

// start starts the server at the first call; all calls return the same.
func (s *server) start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil && s.err == nil {
		s.err = s.launch()
	}
	return s.url, s.err
}

func (s *server) launch() error {
	script, err := script()
	if err != nil {
		return err
	}
	cmd := exec.Command(script, "sh", "-c", "echo $"+serverEnv+"; exec cat")
	cmd.Env = append(os.Environ(), "POSTGRES_INSTALL=never")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	// The server keeps the pipe of its standard error open; do not wait for it.
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = stdin.Close()
		_ = cmd.Wait()
		return errors.New(strings.TrimSpace(complaints.String()))
	}
	s.cmd, s.stdin, s.url = cmd, stdin, strings.TrimSpace(line)
	return nil
}

// stop ends the server, if there is one, and waits until it has gone.
func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	err := errors.Join(s.stdin.Close(), s.cmd.Wait())
	s.cmd = nil
	return err
}

// script finds scripts/postgres.sh from the folder of the package under test.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "scripts", "postgres.sh"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}
