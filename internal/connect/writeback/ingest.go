package writeback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// API requests of a job, apart from asking how it stands: making, filling and
// beginning it, and three results.
const jobRequests = 6

// abortTimeout bounds telling the org that nobody waits for a job any more.
const abortTimeout = time.Second

// errJobLost is what rows get that no result of their job names.
var errJobLost = errors.New("the job's results do not name this record")

// ingest writes records by one Bulk job and matches its results to the events. The
// writes can all be repeated, so a job whose end is not known costs time only.
func (b *delivery) ingest(ctx context.Context, r *request) {
	records := make([]rest.Fields, len(r.at))
	for n, i := range r.at {
		records[n] = b.writes[i].fields
	}
	t := newTable(r.op, records)
	for _, i := range r.at {
		b.outcomes[i] = event.Outcome{Verdict: event.Retry, Reason: errJobLost.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, b.d.cfg.BulkTimeout)
	defer cancel()
	job, err := b.d.runJob(ctx, r, t)
	if err == nil {
		err = b.results(ctx, r, t, job)
	}
	if err != nil {
		b.all(r.at, b.d.whole(r, err, true))
	}
}

// runJob makes a job, fills it and waits for its end.
func (d *Destination) runJob(ctx context.Context, r *request, t *table) (bulk.Job, error) {
	if err := d.reserve(ctx, jobRequests); err != nil {
		return bulk.Job{}, err
	}
	client := d.wires.Bulk
	in := bulk.Ingest{Object: r.object, Operation: string(r.op), ExternalID: r.external}
	job, err := client.CreateIngest(ctx, in)
	if err != nil {
		return job, err
	}
	if err = client.Upload(ctx, job.ID, t.csv()); err == nil {
		err = client.Begin(ctx, job.ID)
	}
	ended := job
	if err == nil {
		ended, err = client.WaitIngest(ctx, job.ID, func(ctx context.Context) error { return d.reserve(ctx, 1) })
	}
	if err != nil {
		d.abandon(ctx, job.ID)
		if ctx.Err() != nil {
			err = &event.Error{Op: "wait for bulk job", Healing: event.Transient, Err: fmt.Errorf("it has not ended in time: %w", context.Cause(ctx))}
		}
	}
	return ended, err
}

// abandon stops a job that nobody waits for, as far as that is possible: its rows will
// be written again.
func (d *Destination) abandon(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_ = d.wires.Bulk.AbortIngest(ctx, id) // it may have ended, which is as good
}

// results reads what became of each row. The files of a job that failed tell as
// much as those of one that did not.
func (b *delivery) results(ctx context.Context, r *request, t *table, job bulk.Job) error {
	waiting := map[string][]int{} // places in the batch by the row's cells
	for n, i := range r.at {
		key := rowKey(t.rows[n])
		waiting[key] = append(waiting[key], i)
	}
	take := func(cells []string) (i int, ok bool) {
		key := rowKey(cells)
		if at := waiting[key]; len(at) > 0 {
			waiting[key] = at[1:]
			return at[0], true
		}
		return 0, false
	}
	left := len(r.at)
	for _, file := range []bulk.Result{bulk.Saved, bulk.Refused, bulk.Unprocessed} {
		if left == 0 {
			break
		}
		n, err := b.readResult(ctx, t, job, file, take)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// readResult reads one of the files and returns how many rows it accounted for.
func (b *delivery) readResult(ctx context.Context, t *table, job bulk.Job, file bulk.Result, take func([]string) (int, bool)) (n int, err error) {
	page, err := b.d.wires.Bulk.OpenResult(ctx, job.ID, file)
	if refusal, ok := salesforce.AsAPIError(err); ok && refusal.NotFound() {
		return 0, &event.Error{Op: "read bulk results", Healing: event.Transient, Err: errors.New("the job's results are gone")}
	}
	if err != nil {
		return 0, err
	}
	defer page.Close() // read only
	places := placesOf(t.columns, page.Columns)
	failure := slices.Index(page.Columns, "sf__Error")
	var row []string
	cells := make([]string, len(t.columns))
	for {
		if row, err = page.Row(row); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		for c, at := range places {
			cells[c] = ""
			if at >= 0 {
				cells[c] = row[at]
			}
		}
		i, known := take(cells)
		if !known {
			continue
		}
		n++
		b.outcomes[i] = b.bulkOutcome(b.writes[i], file, job, row, failure)
	}
}

func placesOf(columns, in []string) []int {
	places := make([]int, len(columns))
	for i, c := range columns {
		places[i] = slices.Index(in, c)
	}
	return places
}

func (b *delivery) bulkOutcome(w *write, file bulk.Result, job bulk.Job, row []string, failure int) event.Outcome {
	switch {
	case file == bulk.Saved:
		return b.d.row(w, nil)
	case file == bulk.Refused && failure >= 0:
		return b.d.row(w, bulkRefusal(row[failure]))
	}
	// Not looked at: the job ended before, whatever ended it.
	name, _, _ := strings.Cut(job.Message, ":")
	why := "the job ended before this record"
	if nameForm.MatchString(strings.TrimSpace(name)) {
		why += ": " + strings.TrimSpace(name)
	}
	return event.Outcome{Verdict: event.Retry, Happened: event.HappenedNo, Reason: why}
}

// bulkRefusal reads sf__Error: "CODE:message:fields--".
func bulkRefusal(text string) error {
	code, rest, _ := strings.Cut(text, ":")
	refusal := &salesforce.APIError{Status: 400, Code: code, Message: strings.TrimSuffix(rest, "--")}
	if at := strings.LastIndexByte(refusal.Message, ':'); at >= 0 {
		refusal.Fields = strings.Fields(refusal.Message[at+1:])
		refusal.Message = refusal.Message[:at]
	}
	return auth.Fault("write record", event.HappenedNo, refusal)
}
