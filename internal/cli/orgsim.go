package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// orgsimCommand runs the org simulator as a process of its own.
func (a *app) orgsimCommand() *cobra.Command {
	var c orgsim.Config
	var level, faults string
	cmd := &cobra.Command{
		Use:   "orgsim",
		Short: "Run a simulated Salesforce org on this machine",
		Long: "Run a simulated Salesforce org: OAuth, REST, SOQL, Bulk, CometD, platform events, Change Data Capture\n" +
			"and the Pub/Sub API, with a clock that can be moved and faults that can be switched on. It listens on the\n" +
			"loopback interface, keeps everything in memory unless --data names a folder, and runs until it is stopped.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if c.Faults, err = readFaults(faults); err != nil {
				return err
			}
			return a.runOrgsim(cmd, c, level)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.HTTPAddr, "http", "127.0.0.1:8180", "the `address` of OAuth, REST and the control API")
	flags.StringVar(&c.PubSubAddr, "pubsub", "127.0.0.1:8181", "the `address` of the Pub/Sub API without TLS, or off")
	flags.StringVar(&c.PubSubTLSAddr, "pubsub-tls", "127.0.0.1:8182", "the `address` of the Pub/Sub API with TLS, or off")
	flags.StringVar(&c.DataDir, "data", "", "a `folder` that keeps records and events over a restart")
	flags.StringVar(&c.Schema, "schema", "", "a `file` that declares objects, fields and platform events")
	flags.StringVar(&c.IntegrationsFile, "integrations", "", "a `file` of Named Credentials, remote sites and outbound messages")
	flags.StringVar(&faults, "faults", "", "a `file` of faults that are on from the start")
	flags.DurationVar(&c.Keepalive, "keepalive", time.Minute, "how often a quiet stream hears of its position")
	flags.StringVar(&level, "log-level", "warn", "the least severe `level` that is logged: debug, info, warn, error")
	flags.BoolVar(&a.json, "json", false, "describe the org as one line of JSON, when it is ready")
	cmd.AddCommand(a.orgsimLoadCommand(), a.orgsimGenerateCommand(), a.orgsimSnapshotCommand(), a.orgsimRestoreCommand(),
		a.orgsimRequestsCommand())
	return cmd
}

// readFaults reads a script of faults; none for no file.
func readFaults(file string) ([]fault.Fault, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(fmt.Errorf("--faults: %w", err), "")
	}
	faults, err := fault.Parse(text)
	if err != nil {
		return nil, usage(fmt.Errorf("--faults %s: %w", file, err), "see docs/orgsim.md for the faults there are")
	}
	return faults, nil
}

func (a *app) runOrgsim(cmd *cobra.Command, c orgsim.Config, level string) error {
	if err := new(slog.Level).UnmarshalText([]byte(level)); err != nil {
		return usage(fmt.Errorf("--log-level %s is no level", level), "debug, info, warn or error")
	}
	c.Logger = NewLogger(a.Stderr, config.Log{Level: level})
	org, err := orgsim.Start(cmd.Context(), c)
	if err != nil {
		return fmt.Errorf("start the simulated org: %w", err)
	}
	if err := a.describeOrg(org, c); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- org.Wait() }()
	select {
	case <-cmd.Context().Done():
		err = org.Close()
		<-ended
		return err
	case err := <-ended:
		return err
	}
}

// orgDescription is what orgsim --json prints; see docs/cli-json.md.
type orgDescription struct {
	URL          string `json:"url"`
	PubSub       string `json:"pubsub,omitempty"`
	PubSubTLS    string `json:"pubsub_tls,omitempty"`
	CAFile       string `json:"ca_file,omitempty"`
	OrgID        string `json:"org_id"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Username     string `json:"username"`
	Password     string `json:"password"`
}

func (a *app) describeOrg(org *orgsim.Org, c orgsim.Config) error {
	d := orgDescription{
		URL: org.URL(), PubSub: org.PubSubAddr(), PubSubTLS: org.PubSubTLSAddr(), OrgID: string(org.OrgID()),
		ClientID: orgsim.DefaultClientID, ClientSecret: orgsim.DefaultClientSecret,
		Username: orgsim.DefaultUsername, Password: orgsim.DefaultPassword,
	}
	if c.DataDir != "" {
		d.CAFile = filepath.Join(c.DataDir, "pubsub-ca.pem")
	}
	if a.json {
		return json.NewEncoder(a.Stdout).Encode(d)
	}
	lines := [][2]string{
		{"login, REST", d.URL},
		{"Pub/Sub API", d.PubSub},
		{"Pub/Sub, TLS", d.PubSubTLS},
		{"CA certificate", d.CAFile},
		{"org id", d.OrgID},
		{"client id", d.ClientID},
		{"client secret", d.ClientSecret},
		{"user", d.Username},
		{"password", d.Password},
		{"state, control", d.URL + "/_sim/"},
	}
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(a.Stdout, "%-15s %s\n", l[0], l[1])
		}
	}
	return nil
}
