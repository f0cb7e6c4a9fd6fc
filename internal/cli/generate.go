package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/sfdx"
)

// generated is what the command did, for --json.
type generated struct {
	Out       string   `json:"out"`
	Written   []string `json:"written"`
	Unchanged int      `json:"unchanged"`
	// Stale are records of routes that the configuration no longer has.
	Stale []string `json:"stale"`
	Notes []string `json:"notes"`
}

func (a *app) generateCommand() *cobra.Command {
	group := &cobra.Command{Use: "generate", Short: "Write what belongs to this configuration elsewhere"}
	var options sfdx.Config
	var out string
	salesforce := &cobra.Command{
		Use:   "salesforce",
		Short: "Write the Salesforce side as an SFDX project: credentials, External Service, permission set, routes",
		Long: "Writes an SFDX project for the configuration: External and Named Credential, External Service, permission set,\n" +
			"and a custom metadata record for each route that Salesforce calls. It holds no secret. Written again it changes only\n" +
			"what differs, and names records of routes that are gone; it deletes nothing.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.generateSalesforce(out, options) },
	}
	flags := salesforce.Flags()
	flags.StringVar(&out, "out", "", "the `folder` to write to (required)")
	flags.StringVar(&options.URL, "url", "", "the gateway's `address` as the org reaches it (required)")
	flags.StringVar(&options.Name, "name", "Sallyport", "the `name` of the Named Credential and the External Service")
	flags.StringVar(&options.Auth, "auth", sfdx.OAuth, "how the org proves itself: oauth or bearer")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	for _, name := range []string{"out", "url"} {
		if err := salesforce.MarkFlagRequired(name); err != nil {
			panic("no flag " + name) // it stands above
		}
	}
	group.AddCommand(salesforce)
	return group
}

func (a *app) generateSalesforce(out string, options sfdx.Config) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	options.URL = strings.TrimSuffix(options.URL, "/")
	files, notes, err := a.GenerateSalesforce(s, options)
	if err != nil {
		return err
	}
	result := generated{Out: out, Written: []string{}, Stale: []string{}, Notes: append([]string{}, notes...)}
	for _, f := range files {
		changed, err := writeChanged(filepath.Join(out, filepath.FromSlash(f.Path)), f.Content)
		if err != nil {
			return err
		}
		if changed {
			result.Written = append(result.Written, f.Path)
		} else {
			result.Unchanged++
		}
	}
	if result.Stale, err = staleRecords(out, files); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(result)
	}
	a.printGenerated(result)
	return nil
}

// writeChanged writes a file unless it is there already as it should be.
func writeChanged(path string, content []byte) (bool, error) {
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read what is there: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return false, fmt.Errorf("write project: %w", err)
	}
	return true, nil
}

const recordFolder = "force-app/main/default/customMetadata"

// staleRecords lists records of routes that are not among the files.
func staleRecords(out string, files []sfdx.File) ([]string, error) {
	there, err := filepath.Glob(filepath.Join(out, filepath.FromSlash(recordFolder), "Sallyport_Route.*.md-meta.xml"))
	if err != nil {
		return nil, fmt.Errorf("look for records: %w", err)
	}
	stale := []string{}
	for _, path := range there {
		name := recordFolder + "/" + filepath.Base(path)
		if !slices.ContainsFunc(files, func(f sfdx.File) bool { return f.Path == name }) {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

func (a *app) printGenerated(g generated) {
	for _, path := range g.Written {
		fmt.Fprintf(a.Stdout, "wrote %s\n", path)
	}
	fmt.Fprintf(a.Stdout, "%d written, %d unchanged in %s; what to do with it: %s\n", len(g.Written), g.Unchanged, g.Out, filepath.Join(g.Out, "README.md"))
	for _, path := range g.Stale {
		fmt.Fprintf(a.Stderr, "Warning: %s is of a route that is gone; delete it here and in the org\n", path)
	}
	for _, note := range g.Notes {
		fmt.Fprintf(a.Stderr, "Note: %s\n", note)
	}
}
