package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// trailCommands are what reads the audit trail.
func (a *app) trailCommands() []*cobra.Command {
	if a.OpenTrail == nil {
		return nil
	}
	return []*cobra.Command{a.verifyCommand(), a.exportCommand(), a.keyCommand()}
}

// withTrail opens the store's trail and the keys that sign it. It asks the store
// itself, whoever runs: a gateway's word would prove nothing.
func (a *app) withTrail(ctx context.Context, do func(r trail.Reader, s config.Trail) error) error {
	settings, err := a.settings("store", "trail")
	if err != nil {
		return err
	}
	r, closing, err := a.OpenTrail(ctx, settings.Store)
	if err != nil {
		return fmt.Errorf("open store %s: %w", settings.Store.URL, err)
	}
	a.say("read from the store %s", settings.Store.URL)
	return errors.Join(do(r, settings.Trail), closing())
}

// signingKeys returns the signer of the settings and the public keys of all seals.
func signingKeys(s config.Trail, more []string) (*trail.Signer, trail.Keys, error) {
	signer, err := trail.NewSigner(s.Key.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("read trail.key: %w", err)
	}
	texts := append(append([]string{}, s.Accept...), more...)
	if signer != nil {
		texts = append(texts, signer.Public())
	}
	keys, err := trail.ParseKeys(texts...)
	if err != nil {
		return nil, nil, usage(err, "sallyport audit key")
	}
	return signer, keys, nil
}

func (a *app) verifyCommand() *cobra.Command {
	var file, expect string
	var public []string
	var overdue time.Duration
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that the audit trail (or an export of it) is complete and unchanged, or exit with 3",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := trail.Options{Expect: expect, Overdue: overdue, Now: a.Now()}
			if expect != "" {
				if _, _, err := trail.ParseHead(expect); err != nil {
					return usage(err, "give the head as an earlier sallyport audit verify printed it")
				}
			}
			if file != "" {
				return a.verifyFile(cmd.Context(), file, public, o)
			}
			return a.withTrail(cmd.Context(), func(r trail.Reader, s config.Trail) (err error) {
				if _, o.Keys, err = signingKeys(s, public); err != nil {
					return err
				}
				progress := a.bar()
				report, err := trail.Verify(cmd.Context(), r, o, func(done int64) { progress.show("verifying", done, done, "entries") })
				progress.end()
				if err != nil {
					return fmt.Errorf("verify the audit trail: %w", err)
				}
				return a.judge(report)
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "verify this export `file` instead of the store")
	cmd.Flags().StringVar(&expect, "expect", "", "the `head` that an earlier verification printed: it must still be there")
	cmd.Flags().StringArrayVar(&public, "public-key", nil, "a public `key` of signatures, beside those of the configuration")
	cmd.Flags().DurationVar(&overdue, "overdue", time.Minute, "how old an entry without a seal may be")
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, as described in docs/cli-json.md")
	return cmd
}

// verifyFile needs no configuration: the keys are those given.
func (a *app) verifyFile(ctx context.Context, name string, public []string, o trail.Options) error {
	keys, err := trail.ParseKeys(public...)
	if err != nil {
		return usage(err, "sallyport audit key")
	}
	o.Keys = keys
	f, err := os.Open(name)
	if err != nil {
		return usage(err, "sallyport audit export --out FILE")
	}
	defer f.Close()
	progress := a.bar()
	report, err := trail.VerifyFile(ctx, f, o, func(done int64) { progress.show("verifying", done, done, "lines") })
	progress.end()
	if err != nil {
		return fmt.Errorf("verify %s: %w", name, err)
	}
	return a.judge(report)
}

// judge prints a report and fails if something was found.
func (a *app) judge(r trail.Report) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printTrail(r)
	}
	if r.Intact() {
		return nil
	}
	return &Error{
		Code: ExitFindings, Err: fmt.Errorf("the audit trail is not as it was written: %d finding(s), the first: %s", len(r.Findings), r.Findings[0].What),
		Try: "keep the store and earlier exports as they are, and compare them",
	}
}

func (a *app) printTrail(r trail.Report) {
	fmt.Fprintf(a.Stdout, "%s entries under %s seals", grouped(r.Entries), grouped(r.Seals))
	if r.Entries > 0 {
		fmt.Fprintf(a.Stdout, ", from entry %s (%s)", grouped(r.From), a.when(r.Since))
	}
	fmt.Fprintln(a.Stdout)
	if r.Unsealed > 0 {
		fmt.Fprintf(a.Stdout, "%s entries wait for their seal\n", grouped(r.Unsealed))
	}
	switch {
	case r.SignedSince == 0:
		fmt.Fprintln(a.Stdout, "not signed: whoever can write the store could have computed the chain anew (set trail.key)")
	case !r.SignaturesChecked:
		fmt.Fprintln(a.Stdout, "signatures not checked: no key was given (--public-key)")
	default:
		fmt.Fprintf(a.Stdout, "signed from entry %s on\n", grouped(r.SignedSince))
	}
	if r.Head != "" {
		fmt.Fprintf(a.Stdout, "head %s\n", r.Head)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(a.Stdout, a.coloured(cell{text: oneLine(f.What), colour: red}))
	}
	if r.Truncated {
		fmt.Fprintln(a.Stdout, "and more")
	}
	if r.Intact() {
		fmt.Fprintln(a.Stdout, a.coloured(cell{text: "the audit trail is intact", colour: green}))
	}
}

func (a *app) exportCommand() *cobra.Command {
	var out, since, until string
	var sel trail.Selection
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the audit trail as JSON Lines, with a signed trailer",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			for _, t := range []struct {
				flag, text string
				to         *time.Time
			}{{"--since", since, &sel.Since}, {"--until", until, &sel.Until}} {
				if *t.to, err = a.moment(t.text); err != nil {
					return usage(fmt.Errorf("%s: %w", t.flag, err), t.flag+" 2026-03-01T00:00:00Z, or "+t.flag+" 24h for that long ago")
				}
			}
			return a.withTrail(cmd.Context(), func(r trail.Reader, s config.Trail) error { return a.export(cmd.Context(), r, s, sel, out) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the `file` to write; standard output if not given")
	cmd.Flags().StringVar(&sel.Route, "route", "", "only entries of this `route`")
	cmd.Flags().StringVar(&since, "since", "", "only entries from this `time` on, or as long ago as this duration")
	cmd.Flags().StringVar(&until, "until", "", "only entries before this `time`, or as long ago as this duration")
	return cmd
}

// moment reads a time, or a duration before now.
func (a *app) moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return a.Now().UTC().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time nor a duration", text)
	}
	return t.UTC(), nil
}

func (a *app) export(ctx context.Context, r trail.Reader, s config.Trail, sel trail.Selection, name string) (err error) {
	signer, _, err := signingKeys(s, nil)
	if err != nil {
		return err
	}
	var to io.Writer = a.Stdout
	if name != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return usage(err, "")
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		to = f
	}
	progress := a.bar()
	n, err := trail.Export(ctx, r, to, sel, a.Now(), signer, func(done int64) { progress.show("exporting", done, done, "entries") })
	progress.end()
	if err != nil {
		return fmt.Errorf("export the audit trail: %w", err)
	}
	a.say("%s entries exported", grouped(n))
	if signer == nil {
		a.say("not signed: set trail.key")
	}
	return nil
}

func (a *app) keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key of trail.key, for whoever verifies",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.settings("trail")
			if err != nil {
				return err
			}
			signer, err := trail.NewSigner(s.Trail.Key.Reveal())
			if err != nil {
				return fmt.Errorf("read trail.key: %w", err)
			}
			if signer == nil {
				return usage(errors.New("no trail.key is set"), "set trail: {key: \"${SALLYPORT_TRAIL_KEY}\"} to 32 bytes in base64 (openssl rand -base64 32)")
			}
			fmt.Fprintln(a.Stdout, signer.Public())
			return nil
		},
	}
}
