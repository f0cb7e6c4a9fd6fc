// Package e2e_test proves the promises on the built binary, from outside: real
// processes, real sockets, kill -9, and ground truth counted at both ends.
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// binary is the path of the built gateway, set once by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/sallyport")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build sallyport:", err)
		os.Exit(1)
	}
	code := testkit.Run(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
