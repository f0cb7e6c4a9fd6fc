package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The servers of this test binary. They are the one piece of state that tests
// of a package share, because starting one takes a second or more.
var (
	postgresServer = server{script: "postgres.sh", vars: []string{serverEnv}, never: "POSTGRES_INSTALL=never"}
	rabbitServer   = server{script: "rabbitmq.sh", vars: []string{brokerEnv, brokerAPIEnv}, never: "RABBITMQ_INSTALL=never"}
)

// server is a server run by a script of the scripts folder. The script stops it
// when its standard input ends, which it does even when this process is killed.
type server struct {
	script string
	vars   []string // what the script sets for its command, without blanks
	never  string   // keeps the script from installing what is missing

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	said  []string
	err   error
}

// start starts the server at the first call; all calls return the same: the
// values of vars.
func (s *server) start() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil && s.err == nil {
		s.err = s.launch()
	}
	return s.said, s.err
}

func (s *server) launch() error {
	script, err := findScript(s.script)
	if err != nil {
		return err
	}
	cmd := exec.Command(script, "sh", "-c", "echo $"+strings.Join(s.vars, " $")+"; exec cat")
	cmd.Env = append(os.Environ(), s.never)
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
	said := strings.Fields(line)
	if len(said) != len(s.vars) {
		_ = stdin.Close()
		_ = cmd.Wait()
		return fmt.Errorf("%s said %q, want the values of %v", s.script, line, s.vars)
	}
	s.cmd, s.stdin, s.said = cmd, stdin, said
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

// findScript finds a script from the folder of the package under test.
func findScript(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "scripts", name), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}
