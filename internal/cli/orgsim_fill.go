package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/orgsim/load"
)

// loaded is what loading answers, and what load --json prints.
type loaded struct {
	Files []load.Summary `json:"files"`
}

func (a *app) orgsimLoadCommand() *cobra.Command {
	var object string
	cmd := &cobra.Command{
		Use:   "load FILE...",
		Short: "Load CSV files, or the JSON of sf data export tree, into a running org",
		Long: "Load files into a running org. CSV goes row by row: the first line names the fields, a parent by its\n" +
			"external id as Account.Key__c, and the object is the file's name unless --object names it. Rows that the org\n" +
			"refuses are told with their lines and left out; exit code 1 says that there were any. With an Id column the\n" +
			"rows go in as they are, without validation. JSON is what sf data export tree writes, files or the plan that\n" +
			"names them; its records go in all or none.",
		Args: cobra.MinimumNArgs(1),
	}
	sim := simulatorFlag(cmd)
	cmd.Flags().StringVar(&object, "object", "", "the `object` of CSV files; their names unless given")
	cmd.Flags().BoolVar(&a.json, "json", false, "print what became of the files as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l := &loading{app: a, sim: sim, object: object, bar: a.bar()}
		return l.run(cmd.Context(), args)
	}
	return cmd
}

// loading is one call of orgsim load.
type loading struct {
	*app
	sim    *simulator
	object string
	bar    *bar
	result loaded
}

func (l *loading) run(ctx context.Context, files []string) error {
	var trees []load.File
	for _, file := range files {
		if !strings.EqualFold(filepath.Ext(file), ".json") {
			if err := l.csv(ctx, file); err != nil {
				return err
			}
			continue
		}
		more, err := treeFiles(file)
		if err != nil {
			return err
		}
		trees = append(trees, more...)
	}
	if len(trees) > 0 {
		if err := l.trees(ctx, trees); err != nil {
			return err
		}
	}
	l.bar.end()
	return l.tell()
}

// csv sends one file; what has left is what the bar shows.
func (l *loading) csv(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return usage(err, "")
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return err
	}
	object := l.object
	if object == "" {
		object = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	counted := &countingReader{in: f, read: func(n int64) { l.bar.show(filepath.Base(file), n, about.Size(), "bytes") }}
	path := "/_sim/load?" + url.Values{"object": {object}, "file": {file}}.Encode()
	body, _, err := l.sim.call(ctx, http.MethodPost, path, "text/csv", counted, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	defer body.Close()
	var answer loaded
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return fmt.Errorf("read the org's answer: %w", err)
	}
	l.result.Files = append(l.result.Files, answer.Files...)
	return nil
}

func (l *loading) trees(ctx context.Context, files []load.File) error {
	var answer loaded
	_, err := l.sim.post(ctx, "/_sim/load", map[string]any{"files": files}, &answer, http.StatusUnprocessableEntity)
	l.result.Files = append(l.result.Files, answer.Files...)
	return err
}

// treeFiles reads a tree file, or those that a plan names, which lie beside it.
func treeFiles(file string) ([]load.File, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(err, "")
	}
	if !strings.HasPrefix(strings.TrimSpace(string(text)), "[") {
		return []load.File{{Name: file, Content: string(text)}}, nil
	}
	var plan []struct {
		Files []string `json:"files"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, usage(fmt.Errorf("read plan %s: %w", file, err), "")
	}
	var files []load.File
	for _, step := range plan {
		for _, name := range step.Files {
			path := filepath.Join(filepath.Dir(file), name)
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, usage(fmt.Errorf("plan %s: %w", file, err), "")
			}
			files = append(files, load.File{Name: path, Content: string(content)})
		}
	}
	return files, nil
}

// tell prints what became of the files.
func (l *loading) tell() error {
	rows, failed := 0, 0
	for _, s := range l.result.Files {
		rows, failed = rows+s.Loaded, failed+s.Failed
		if l.json {
			continue
		}
		for _, p := range s.Problems {
			fmt.Fprintln(l.Stderr, oneLine(p.String()))
		}
		if more := s.Failed - len(s.Problems); more > 0 {
			fmt.Fprintf(l.Stderr, "%s: %d more were refused\n", s.File, more)
		}
		fmt.Fprintf(l.Stdout, "%s: %d row(s) loaded, %d refused\n", s.File, s.Loaded, s.Failed)
	}
	if l.json {
		if err := l.printJSON(l.result); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &Error{Code: ExitFailure, Err: fmt.Errorf("%d row(s) were refused, %d are loaded", failed, rows), Try: "mend the lines named above"}
	}
	return nil
}

// countingReader tells how much was read.
type countingReader struct {
	in   io.Reader
	n    int64
	read func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	c.read(c.n)
	return n, err
}

func (a *app) orgsimGenerateCommand() *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "generate OBJECT COUNT",
		Short: "Fill an object of a running org with believable rows",
		Long: "Make up rows of an object, with names, addresses, dates and amounts as a company has them, and parents that\n" +
			"exist or are made first. The same seed makes the same rows. Rows go in without change events, at tens of\n" +
			"thousands a second; all domains are under .example and all telephone numbers are nobody's.",
		Example: "  sallyport orgsim generate Contact 1000000",
		Args:    cobra.ExactArgs(2),
	}
	sim := simulatorFlag(cmd)
	cmd.Flags().Uint64Var(&seed, "seed", 1, "what is made up; the same seed makes the same rows")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		count, err := strconv.Atoi(strings.NewReplacer("_", "", ",", "").Replace(args[1]))
		if err != nil || count < 1 {
			return usage(fmt.Errorf("COUNT %q is no number of rows", args[1]), cmd.CommandPath()+" --help")
		}
		return a.generate(cmd.Context(), sim, map[string]any{"object": args[0], "count": count, "seed": seed})
	}
	return cmd
}

func (a *app) generate(ctx context.Context, sim *simulator, request map[string]any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	body, _, err := sim.call(ctx, http.MethodPost, "/_sim/generate", "application/json", strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	defer body.Close()
	shown, began := a.bar(), a.Now()
	defer shown.end()
	made := make(map[string]int)
	for decoder := json.NewDecoder(body); ; {
		var line struct {
			Object   string `json:"object"`
			Done, Of int
			Error    string `json:"error"`
			Finished bool   `json:"finished"`
		}
		if err := decoder.Decode(&line); err != nil {
			return fmt.Errorf("the org stopped before everything was in: %w", err)
		}
		switch {
		case line.Error != "":
			return errors.New(oneLine(line.Error))
		case line.Finished:
			shown.end()
			a.tellGenerated(made, a.Now().Sub(began).Seconds())
			return nil
		}
		made[line.Object] = line.Done
		shown.show(line.Object, int64(line.Done), int64(line.Of), "rows")
	}
}

func (a *app) tellGenerated(made map[string]int, seconds float64) {
	total := 0
	for _, object := range sortedKeys(made) {
		total += made[object]
		fmt.Fprintf(a.Stdout, "%s: %s row(s)\n", object, grouped(int64(made[object])))
	}
	if seconds > 0 {
		fmt.Fprintf(a.Stderr, "# %.1f s, %s rows/s\n", seconds, grouped(int64(float64(total)/seconds)))
	}
}
