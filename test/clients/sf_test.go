package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// commandDeadline ends a command of sf that hangs; one takes a few seconds, of
// which bulk commands wait most.
const commandDeadline = 2 * time.Minute

// sfHome is the sf command line with a home directory of its own: what it knows of
// logins, and the files that commands read and write.
type sfHome struct {
	dir string
	env []string
}

// newSF returns sf without a login.
func newSF(t *testing.T) *sfHome {
	t.Helper()
	bin := requireSF(t)
	home := &sfHome{dir: t.TempDir()}
	home.env = []string{
		"HOME=" + home.dir, "TMPDIR=" + home.dir, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"SF_DISABLE_TELEMETRY=true", "SF_AUTOUPDATE_DISABLE=true", "SF_USE_GENERIC_UNIX_KEYCHAIN=true", "SF_DISABLE_LOG_FILE=true",
		"SF_SKIP_NEW_VERSION_CHECK=true", "SF_HIDE_RELEASE_NOTES=true", "NO_COLOR=1", "CI=1", "NODE_NO_WARNINGS=1",
	}
	return home
}

// requireSF finds the folder with sf and the Node.js it needs, or fails with what to do.
func requireSF(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs("sf/node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "sf")); err != nil {
		t.Fatal("sf is not installed: run scripts/clients.sh, which installs what is missing")
	}
	return bin
}

// refusedError is a command that ended with another code than zero.
type refusedError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	code    int
}

func (e *refusedError) Error() string {
	return e.Name + ": " + e.Message + " (exit code " + strconv.Itoa(e.code) + ")"
}

// start runs one command and returns what it printed. With --json its refusal is a
// *refusedError.
func (s *sfHome) start(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(requireSF(t), "sf"), args...)
	cmd.Dir, cmd.Env = s.dir, append(s.env[:len(s.env):len(s.env)], env...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	t.Logf("%5.1f s  sf %s", time.Since(begun).Seconds(), strings.Join(args, " "))
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		refused := &refusedError{code: exit.ExitCode()}
		if json.Unmarshal(stdout.Bytes(), refused) == nil {
			return "", refused
		}
		t.Fatalf("sf %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	if err != nil {
		t.Fatalf("sf %s: %v", strings.Join(args, " "), err)
	}
	return stdout.String(), nil
}

// print runs a command that must succeed and returns what it printed.
func (s *sfHome) print(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.start(t, nil, args...)
	if err != nil {
		t.Fatalf("sf %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// sfResult runs a command with --json that must succeed and returns its result.
func sfResult[T any](t *testing.T, s *sfHome, args ...string) T {
	t.Helper()
	return sfResultWith[T](t, s, nil, args...)
}

// sfResultWith is sfResult with further environment.
func sfResultWith[T any](t *testing.T, s *sfHome, env []string, args ...string) T {
	t.Helper()
	out, err := s.start(t, env, append(args, "--json")...)
	if err != nil {
		t.Fatalf("sf %s: %v", strings.Join(args, " "), err)
	}
	var answer struct {
		Status *int `json:"status"`
		Result T    `json:"result"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Status == nil || *answer.Status != 0 {
		t.Fatalf("sf %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return answer.Result
}

// wantRefusal runs a command that must end with an error of the name.
func (s *sfHome) wantRefusal(t *testing.T, env []string, name, message string, args ...string) {
	t.Helper()
	_, err := s.start(t, env, append(args, "--json")...)
	var refused *refusedError
	if !errors.As(err, &refused) || refused.Name != name || !strings.Contains(refused.Message, message) {
		t.Errorf("sf %s: %v, want %s: ...%s...", strings.Join(args, " "), err, name, message)
	}
}

// write makes a file in the folder that commands run in.
func (s *sfHome) write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// read returns a file that a command wrote.
func (s *sfHome) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
