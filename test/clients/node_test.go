package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// suiteDeadline ends a node suite that hangs; a whole one takes a few seconds.
const suiteDeadline = 90 * time.Second

func TestPubSubAPIClient(t *testing.T) {
	t.Parallel()
	runNode(t, "pubsub.test.mjs", startOrg(t))
}

func TestPubSubAPIClientKeepAlive(t *testing.T) {
	t.Parallel()
	runNode(t, "keepalive.test.mjs", startOrg(t))
}

func TestPubSubAPIClientManaged(t *testing.T) {
	t.Parallel()
	runNode(t, "managed.test.mjs", startOrg(t))
}

func TestJSForce(t *testing.T) {
	t.Parallel()
	runNode(t, "jsforce.test.mjs", startOrg(t))
}

func TestJSForceBulk(t *testing.T) {
	t.Parallel()
	runNode(t, "bulk.test.mjs", startOrg(t))
}

func TestJSForceSteps(t *testing.T) {
	t.Parallel()
	runNode(t, "steps.test.mjs", startOrg(t))
}

// runNode runs one suite in a process of its own against org. A suite passes
// when every test in it ran and passed: nothing skipped, and not nothing at all.
func runNode(t *testing.T, suite string, org orgInfo) {
	t.Helper()
	described, err := json.Marshal(org)
	if err != nil {
		t.Fatalf("describe org: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), suiteDeadline)
	defer cancel()
	// Without forcing it node would not exit: closing salesforce-pubsub-api-client leaves its streams running.
	cmd := exec.CommandContext(ctx, requireNode(t), "--test-force-exit", "--test-reporter=spec", suite)
	cmd.Dir = "node"
	cmd.Env = append(withoutProxies(os.Environ()), "SALLYPORT_CLIENTS_ORG="+string(described), "NO_COLOR=1", "NODE_NO_WARNINGS=1")
	cmd.WaitDelay = 5 * time.Second // children of node that hold the pipe
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", suite, err, out)
	}
	total, passed := count(out, "tests"), count(out, "pass")
	if total < 1 || passed != total {
		t.Fatalf("%s: %d of %d tests passed\n%s", suite, passed, total, out)
	}
	t.Logf("%s: %d tests passed\n%s", suite, passed, out)
}

// withoutProxies keeps the clients from looking for an org on loopback behind a proxy.
func withoutProxies(env []string) []string {
	return slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
}

// count reads a number from the summary of node's spec reporter, -1 if it is missing.
func count(out []byte, what string) int {
	m := regexp.MustCompile(`(?m)^ℹ ` + what + ` (\d+)$`).FindSubmatch(out)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return -1
	}
	return n
}

// requireNode finds node and the installed packages, or fails with what to do.
func requireNode(t *testing.T) string {
	t.Helper()
	const remedy = "run scripts/clients.sh, which installs what is missing"
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed: %s", remedy)
	}
	out, err := exec.CommandContext(t.Context(), node, "--version").Output()
	if err != nil {
		t.Fatalf("node --version: %v", err)
	}
	major, err := strconv.Atoi(string(bytes.TrimPrefix(bytes.SplitN(out, []byte("."), 2)[0], []byte("v"))))
	if err != nil || major < 20 {
		t.Fatalf("node is %s, want 20 or later", bytes.TrimSpace(out))
	}
	if _, err := os.Stat("node/node_modules/.package-lock.json"); err != nil {
		t.Fatalf("npm packages are not installed: %s", remedy)
	}
	return node
}
