package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
)

// seen is a request as the log has it.
var seen = page.Request{
	Time: noon, Family: "Query", Status: "200", Micros: 1500, Method: "GET", Path: "/services/data/v67.0/query",
	Query: "SELECT Id FROM Account WHERE Name = ?", Client: "jsforce/3",
}

func startOrg(t *testing.T) *orgsim.Org {
	t.Helper()
	o, err := orgsim.Start(t.Context(), orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func rows(t *testing.T, o *orgsim.Org, statement string) int {
	t.Helper()
	result, err := o.Records().Query(t.Context(), statement, false)
	if err != nil {
		t.Fatal(err)
	}
	return result.Total
}

func TestOrgsim_LoadTellsLinesAndGoesOn(t *testing.T) {
	t.Parallel()
	o := startOrg(t)
	file := write(t, "Account.csv", "Name,NumberOfEmployees\nAcme,1\nBad,many\n,3\nLast,4\n")
	got := command(t, sample(), []string{"orgsim", "load", file, "--url", o.URL()}, onTerminal)
	if got.code != cli.ExitFailure || !strings.Contains(got.stderr, file+":3: INVALID_TYPE_ON_FIELD_IN_RECORD: ") ||
		!strings.Contains(got.stderr, file+":4: REQUIRED_FIELD_MISSING: ") || !strings.Contains(got.stdout, file+": 2 row(s) loaded, 2 refused") {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.stderr, "█") || rows(t, o, "SELECT Id FROM Account") != 2 {
		t.Errorf("no bar, or other rows: %+v", got)
	}
}

func TestOrgsim_LoadTakesThePlanOfAnExport(t *testing.T) {
	t.Parallel()
	o := startOrg(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"Account-Contact-plan.json": `[{"sobject":"Account","saveRefs":true,"resolveRefs":false,"files":["Account.json"]},{"sobject":"Contact","saveRefs":false,"resolveRefs":true,"files":["Contact.json"]}]`,
		"Account.json":              `{"records":[{"attributes":{"type":"Account","referenceId":"AccountRef1"},"Name":"Acme"}]}`,
		"Contact.json":              `{"records":[{"attributes":{"type":"Contact","referenceId":"ContactRef1"},"LastName":"Ada","AccountId":"@AccountRef1"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := command(t, sample(), []string{"orgsim", "load", filepath.Join(dir, "Account-Contact-plan.json"), "--json", "--url", o.URL()})
	var answer struct {
		Files []struct {
			File   string
			Loaded int
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil || got.code != cli.ExitOK || len(answer.Files) != 2 || answer.Files[1].Loaded != 1 {
		t.Errorf("%+v (%v)", got, err)
	}
	if rows(t, o, "SELECT Id FROM Contact WHERE Account.Name = 'Acme'") != 1 {
		t.Error("the contact is not linked")
	}
}

func TestOrgsim_GenerateSnapshotRestoreRequests(t *testing.T) {
	t.Parallel()
	o := startOrg(t)
	run := func(args ...string) outcome {
		return command(t, sample(), append(append([]string{"orgsim"}, args...), "--url", o.URL()))
	}
	if got := run("generate", "Contact", "1_000"); got.code != cli.ExitOK || got.stdout != "Account: 125 row(s)\nContact: 1,000 row(s)\n" {
		t.Errorf("generate: %+v", got)
	}
	file := filepath.Join(t.TempDir(), "clean.tar")
	if got := run("snapshot", file); got.code != cli.ExitOK {
		t.Fatalf("snapshot: %+v", got)
	}
	run("generate", "Lead", "10", "--seed", "3")
	if n := rows(t, o, "SELECT Id FROM Lead"); n != 10 {
		t.Fatalf("%d leads", n)
	}
	if got := run("restore", file); got.code != cli.ExitOK || !strings.HasPrefix(got.stdout, "the org is as it was at ") || rows(t, o, "SELECT Id FROM Lead") != 0 {
		t.Errorf("restore: %+v", got)
	}
	if got := run("requests"); got.code != cli.ExitOK || got.stdout != "" {
		t.Errorf("nobody asked anything: %+v", got)
	}
}

func TestOrgsim_RequestsFollowUntilTheOrgStops(t *testing.T) {
	t.Parallel()
	o := startOrg(t)
	login := command(t, sample(), []string{"orgsim", "load", write(t, "Account.csv", "Name\nx\n"), "--url", o.URL()})
	if login.code != cli.ExitOK {
		t.Fatalf("%+v", login)
	}
	o.Requests().Add(seen)
	ended := make(chan outcome, 1)
	go func() { ended <- command(t, sample(), []string{"orgsim", "requests", "--follow", "--url", o.URL()}) }()
	again := seen
	again.Path, again.Status, again.Failed = "/services/data/v67.0/limits", "403", true
	o.Requests().Add(again)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-ended
	if got.code == cli.ExitUnreachable {
		return // the org had stopped before the command reached it
	}
	want := "12:00:00.000  Query      200           1.5ms  GET    /services/data/v67.0/query  SELECT Id FROM Account WHERE Name = ?  [jsforce/3]\n"
	if got.code != cli.ExitOK || !strings.HasPrefix(got.stdout, want) || !strings.Contains(got.stdout, "403") {
		t.Errorf("%+v\nwant %s", got, want)
	}
}

func TestOrgsim_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := startOrg(t)
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"nobody there":   {[]string{"orgsim", "generate", "Contact", "5", "--url", "http://127.0.0.1:1"}, cli.ExitUnreachable, "no simulated org answers"},
		"no number":      {[]string{"orgsim", "generate", "Contact", "many", "--url", o.URL()}, cli.ExitUsage, "no number of rows"},
		"no object":      {[]string{"orgsim", "generate", "Nope", "5", "--url", o.URL()}, cli.ExitFailure, "want an object of the org"},
		"no file":        {[]string{"orgsim", "load", "/none.csv", "--url", o.URL()}, cli.ExitUsage, "no such file"},
		"no snapshot":    {[]string{"orgsim", "restore", write(t, "x.tar", "junk"), "--url", o.URL()}, cli.ExitFailure, "not a snapshot"},
		"unknown fault":  {[]string{"orgsim", "--faults", write(t, "f.yaml", "faults:\n  - name: row-locked\n  - name: rwo-locked\n")}, cli.ExitUsage, `line 3: unknown fault "rwo-locked"`},
		"no fault file":  {[]string{"orgsim", "--faults", "/none.yaml"}, cli.ExitUsage, "no such file"},
		"missing plan":   {[]string{"orgsim", "load", write(t, "p.json", `[{"files":["gone.json"]}]`), "--url", o.URL()}, cli.ExitUsage, "gone.json"},
		"unknown object": {[]string{"orgsim", "load", write(t, "Nope.csv", "Name\nx\n"), "--url", o.URL()}, cli.ExitFailure, `no object "Nope"`},
	} {
		got := command(t, sample(), c.args)
		if got.code != c.code || !strings.Contains(got.stderr, c.stderr) {
			t.Errorf("%s: exit %d, %s; want %d, %s", name, got.code, got.stderr, c.code, c.stderr)
		}
	}
}
