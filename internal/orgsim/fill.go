package orgsim

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/generate"
	"github.com/sallyport-dev/sallyport/internal/orgsim/load"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// maxTree bounds the tree files of one load; CSV has no bound.
const maxTree = 64 << 20

// loadOrigin is what change events say of rows that were loaded.
const loadOrigin = "com/salesforce/api/rest/67.0;client=orgsim-load"

func (o *Org) loader() load.Config {
	return load.Config{Engine: o.records, Actor: record.Actor{User: o.sessions.Users()[0].ID, Origin: loadOrigin}}
}

// LoadCSV puts the rows of a CSV file into an object; see [load.CSV].
func (o *Org) LoadCSV(ctx context.Context, file, object string, content io.Reader) (load.Summary, error) {
	return load.CSV(ctx, o.loader(), file, object, content)
}

// LoadTree puts the records of tree files in, all or none; see [load.Tree].
func (o *Org) LoadTree(ctx context.Context, files []load.File) ([]load.Summary, error) {
	return load.Tree(ctx, o.loader(), files)
}

// Generate fills an object with n believable rows; see [generate.Rows].
func (o *Org) Generate(ctx context.Context, object string, n int, seed uint64, progress func(generate.Progress)) error {
	cfg := generate.Config{Engine: o.records, Now: o.cfg.Clock.Now(), Seed: seed, Progress: progress}
	return generate.Rows(ctx, cfg, object, n)
}

// serveLoad takes one CSV file as text/csv with ?object= and ?file=, or tree files
// as JSON. The answer is 422 if anything was refused.
func (o *Org) serveLoad(w http.ResponseWriter, r *http.Request) {
	var summaries []load.Summary
	var err error
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "text/csv" {
		var one load.Summary
		params := r.URL.Query()
		one, err = o.LoadCSV(r.Context(), params.Get("file"), params.Get("object"), r.Body)
		summaries = append(summaries, one)
	} else {
		var body struct {
			Files []load.File `json:"files"`
		}
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTree))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(&body); err == nil {
			summaries, err = o.LoadTree(r.Context(), body.Files)
		}
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	status := http.StatusOK
	for _, s := range summaries {
		if s.Failed > 0 {
			status = http.StatusUnprocessableEntity
		}
	}
	writeJSON(w, status, map[string]any{"files": summaries})
}

// generated is one line of the answer to a generation.
type generated struct {
	*generate.Progress
	Error    string `json:"error,omitempty"`
	Finished bool   `json:"finished,omitempty"`
}

// serveGenerate writes a line of JSON per batch, and a last one that says whether
// everything is in.
func (o *Org) serveGenerate(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Object string `json:"object"`
		Count  int    `json:"count"`
		Seed   uint64 `json:"seed"`
	}
	if !read(w, r, &request) {
		return
	}
	object, known := o.catalog.Object(strings.TrimSpace(request.Object))
	if !known || request.Count < 1 || request.Count > generate.MaxRows {
		writeJSON(w, http.StatusBadRequest, problem("want an object of the org and a count from 1 to 50000000"))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson;charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	encoder, flush := json.NewEncoder(w), http.NewResponseController(w)
	tell := func(g generated) {
		_ = encoder.Encode(g) // the client may be gone; the context tells
		_ = flush.Flush()
	}
	err := o.Generate(r.Context(), object.Name, request.Count, request.Seed, func(p generate.Progress) { tell(generated{Progress: &p}) })
	if err != nil {
		tell(generated{Error: err.Error()})
		return
	}
	tell(generated{Finished: true})
}
