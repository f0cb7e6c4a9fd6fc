package cli_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func withSecret(d *cli.Deps) {
	d.Env = func(n string) (string, bool) { return "s3cr3t", n == "SF_CLIENT_SECRET" }
}

func TestConfig_ChecksAndShowsWithoutSecrets(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	for args, want := range map[string]string{
		"config check": file + " is good: 1 route(s), store postgres://sallyport:********@db/app\n", "config check --json": `"ok": true`,
		"config show": "client_secret: \"********\"\n", "config show --json": `"client_secret": "********"`,
	} {
		got := command(t, sample(), append(strings.Fields(args), "-c", file), withSecret)
		if got.code != cli.ExitOK || !strings.Contains(got.stdout, want) || strings.Contains(got.stdout+got.stderr, "s3cr3t") || strings.Contains(got.stdout, "hunter2") {
			t.Errorf("%s: %+v", args, got)
		}
	}
	for args, want := range map[string]string{"config check": "", "config check --json": `"ok": false`, "config show": ""} {
		got := command(t, sample(), append(strings.Fields(args), "-c", file))
		place := "sallyport.yaml:6:18: org.client_secret: environment variable SF_CLIENT_SECRET is not set"
		if got.code != cli.ExitUsage || !strings.Contains(got.stdout, want) || !strings.Contains(got.stderr, place) || !strings.Contains(got.stderr, "Try:   ") {
			t.Errorf("%s without the secret: %+v", args, got)
		}
	}
}

func TestConfig_DescribesItself(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"config docs": config.Reference(), "config schema": string(config.Schema())} {
		if got := command(t, sample(), strings.Fields(args)); got.stdout != want || got.code != cli.ExitOK {
			t.Errorf("%s: exit %d, %d bytes", args, got.code, len(got.stdout))
		}
	}
}

// archive is a store that knows one ledger.
type archive struct{}

func (archive) List(context.Context, delivery.ListFilter) ([]delivery.Record, error) { return nil, nil }

func (archive) Find(context.Context, string) ([]delivery.Record, error) { return nil, nil }

func (archive) Audit(context.Context) ([]delivery.Finding, error) { return nil, nil }

func (archive) Gaps(context.Context, string) ([]subscription.Gap, error) { return nil, nil }

func (archive) UpdateGap(context.Context, subscription.Gap) error { return nil }

func (archive) Redrive(context.Context, delivery.DeadFilter) (int, error) { return 0, nil }

func (archive) Ledgers(context.Context) ([]delivery.Ledger, error) {
	return []delivery.Ledger{{Route: "from-the-gateway"}}, nil
}

func TestReads_PreferARunningGateway(t *testing.T) {
	t.Parallel()
	s, err := control.NewService(control.Config{Archive: archive{}, Redriver: archive{}, Gaps: archive{}, Ping: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	server, err := control.Listen(t.Context(), control.ServerConfig{Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	a := sample()
	got := command(t, a, []string{"audit", "-c", configFile(t, server.Addr())})
	if got.code != cli.ExitOK || !strings.Contains(got.stdout, "from-the-gateway") || got.stderr != "# answered by the gateway at http://"+server.Addr()+"\n" || a.closed != 0 {
		t.Errorf("%+v; the store was opened %d times", got, a.closed)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReads_DoNotGoBehindAGatewayThatAnswersBadly(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	a := sample()
	got := command(t, a, []string{"audit", "-c", configFile(t, listener.Addr().String())})
	if got.code != cli.ExitFailure || a.closed != 0 || !strings.Contains(got.stderr, "Error: ask the gateway at") {
		t.Errorf("%+v; the store was opened %d times", got, a.closed)
	}
	_ = listener.Close()
	<-done
}

func TestRun_HandsTheSettingsToTheAssembly(t *testing.T) {
	t.Parallel()
	var got config.Settings
	run := func(d *cli.Deps) {
		d.RunGateway = func(_ context.Context, s config.Settings, log *slog.Logger, version string) error {
			got = s
			log.Info("settings", "org", s.Org, "version", version)
			log.Debug("never seen")
			return errors.New("it broke")
		}
	}
	result := command(t, sample(), []string{"run", "-c", configFile(t, nobody)}, withSecret, run)
	if result.code != cli.ExitFailure || got.Routes["orders"].Topics[0] != "/event/Order_Event__e" || !strings.Contains(result.stderr, "Error: it broke\n") {
		t.Errorf("%+v, %+v", result, got)
	}
	if !strings.Contains(result.stderr, "level=INFO msg=settings") || strings.Contains(result.stderr, "never seen") || strings.Contains(result.stderr, "s3cr3t") {
		t.Errorf("log: %s", result.stderr)
	}
	if out := command(t, sample(), []string{"run"}); out.code != cli.ExitUsage {
		t.Errorf("run without an assembly: %+v", out)
	}
}

func TestVersion_NamesTheBuild(t *testing.T) {
	t.Parallel()
	if got := command(t, sample(), []string{"version"}); !strings.HasPrefix(got.stdout, "sallyport ") || got.code != cli.ExitOK {
		t.Errorf("%+v", got)
	}
	if got := command(t, sample(), []string{"version", "--json"}); !strings.Contains(got.stdout, `"go": "go1`) {
		t.Errorf("%+v", got)
	}
}

func TestWarnings_GoToStandardError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	src, err := os.ReadFile(configFile(t, nobody))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(src), "${SF_CLIENT_SECRET}", "plain-text", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, sample(), []string{"config", "check", "-c", file})
	if got.code != cli.ExitOK || !strings.Contains(got.stderr, "Warning: "+file+":6:18: org.client_secret: a secret is written in the file") {
		t.Errorf("%+v", got)
	}
}
