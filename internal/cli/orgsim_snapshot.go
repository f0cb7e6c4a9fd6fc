package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *app) orgsimSnapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Copy rows and events of a running org into a file",
		Long: "Copy the rows and events of a running org, in one state, into a file that orgsim restore takes.\n" +
			"Sessions, Bulk jobs, faults and the clock are not in it.",
		Args: cobra.ExactArgs(1),
	}
	sim := simulatorFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, _, err := sim.call(cmd.Context(), http.MethodPost, "/_sim/snapshot", "application/json", http.NoBody)
		if err != nil {
			return err
		}
		defer body.Close()
		size, err := writeWhole(args[0], body)
		if err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
		fmt.Fprintf(a.Stdout, "%s: %s bytes\n", args[0], grouped(size))
		return nil
	}
	return cmd
}

// writeWhole writes beside the file and renames, so that a snapshot is there whole
// or not at all.
func writeWhole(path string, content io.Reader) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	size, err := io.Copy(f, content)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(f.Name(), path)
}

func (a *app) orgsimRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the rows and events of a running org those of a snapshot",
		Long: "Make the rows and events of a running org those of a snapshot of it. Clients stay logged in; streams are\n" +
			"cut, and positions of after the snapshot are refused from then on.",
		Args: cobra.ExactArgs(1),
	}
	sim := simulatorFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return usage(err, "")
		}
		defer f.Close()
		body, _, err := sim.call(cmd.Context(), http.MethodPost, "/_sim/restore", "application/x-tar", f)
		if err != nil {
			return err
		}
		defer body.Close()
		var info orgsim.SnapshotInfo
		if err := json.NewDecoder(body).Decode(&info); err != nil {
			return fmt.Errorf("read the org's answer: %w", err)
		}
		fmt.Fprintf(a.Stdout, "the org is as it was at %s\n", info.At.UTC().Format(time.RFC3339))
		return nil
	}
	return cmd
}
