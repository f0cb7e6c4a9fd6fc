package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
)

func (a *app) orgsimRequestsCommand() *cobra.Command {
	var follow bool
	var limit int
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "Show what clients asked of a running org",
		Long: "Show the latest requests to a running org, oldest first: when, by whom, what, and how it ended. Tokens, bodies\n" +
			"and the literals of queries are not in the log.",
		Args: cobra.NoArgs,
	}
	sim := simulatorFlag(cmd)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until interrupted")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many of the latest to show; 0 is all that are kept")
	cmd.Flags().BoolVar(&a.json, "json", false, "print one line of JSON per request")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/_sim/requests?follow=" + strconv.FormatBool(follow) + "&limit=" + strconv.Itoa(limit)
		body, _, err := sim.call(cmd.Context(), http.MethodGet, path, "", nil)
		if err != nil {
			return err
		}
		defer body.Close()
		if follow {
			err = a.followRequests(body)
			if cmd.Context().Err() != nil {
				return nil // interrupted, as it is meant to be
			}
			return err
		}
		var requests []page.Request
		if err := json.NewDecoder(body).Decode(&requests); err != nil {
			return fmt.Errorf("read the org's answer: %w", err)
		}
		for _, r := range requests {
			if err := a.printRequest(r); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (a *app) followRequests(body io.Reader) error {
	for decoder := json.NewDecoder(body); ; {
		var r page.Request
		if err := decoder.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the org was stopped
			}
			return fmt.Errorf("read the org's answer: %w", err)
		}
		if err := a.printRequest(r); err != nil {
			return err
		}
	}
}

// printRequest writes one line, the same columns whatever came before: those who
// follow see each when it comes.
func (a *app) printRequest(r page.Request) error {
	if a.json {
		return json.NewEncoder(a.Stdout).Encode(r)
	}
	colour := plain
	if r.Failed {
		colour = red
	}
	took := (time.Duration(r.Micros) * time.Microsecond).Round(100 * time.Microsecond)
	line := fmt.Sprintf("%s  %-9s  %s  %8s  %-6s %s", r.Time.UTC().Format("15:04:05.000"), r.Family,
		a.coloured(cell{text: fmt.Sprintf("%-9s", r.Status), colour: colour}), took, r.Method, oneLine(r.Path))
	if r.Query != "" {
		line += "  " + oneLine(r.Query)
	}
	if r.Client != "" {
		line += a.coloured(cell{text: "  [" + oneLine(r.Client) + "]", colour: dim})
	}
	_, err := fmt.Fprintln(a.Stdout, line)
	return err
}
