package restapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// replicationWindow is how far back the start of a window may lie.
	replicationWindow = 30 * 24 * time.Hour
	// recycleBin is how long deleted records are kept for replication.
	recycleBin = 15 * 24 * time.Hour
)

// replication serves /sobjects/X/updated and /sobjects/X/deleted: what changed
// in a window of time. Seconds are ignored, as the org ignores them.
func (a *API) replication(c *call, o *schema.Object, which string) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if _, ok := o.Field("IsDeleted"); !ok {
		return badRequest("INVALID_TYPE_FOR_OPERATION", "entity type %s is not replicateable", o.Name)
	}
	start, end, err := a.window(c.r)
	if err != nil {
		return err
	}
	deleted := which == "deleted"
	result, err := a.run(c, fmt.Sprintf("SELECT Id, SystemModstamp FROM %s WHERE IsDeleted = %t AND SystemModstamp >= %s AND SystemModstamp < %s ORDER BY SystemModstamp",
		o.Name, deleted, start.Format(time.RFC3339), end.Format(time.RFC3339)), true)
	if err != nil {
		return err
	}
	covered := formatTime(earlier(end, a.cfg.Now().UTC().Truncate(time.Minute)), schema.TypeDateTime)
	if !deleted {
		writeJSON(c.w, http.StatusOK, map[string]any{"ids": firstColumn(result), "latestDateCovered": covered})
		return nil
	}
	records := make([]map[string]any, len(result.Rows))
	for i, row := range result.Rows {
		records[i] = map[string]any{"id": row[0], "deletedDate": formatTime(row[1].(time.Time), schema.TypeDateTime)}
	}
	writeJSON(c.w, http.StatusOK, map[string]any{
		"deletedRecords": records, "latestDateCovered": covered,
		"earliestDateAvailable": formatTime(a.cfg.Now().UTC().Add(-recycleBin).Truncate(time.Minute), schema.TypeDateTime),
	})
	return nil
}

// window reads start and end, cut to the minute.
func (a *API) window(r *http.Request) (start, end time.Time, err error) {
	params := r.URL.Query()
	for name, into := range map[string]*time.Time{"start": &start, "end": &end} {
		// A plus sign that nobody encoded arrives as a space.
		t, ok := record.ParseDateTime(strings.ReplaceAll(params.Get(name), " ", "+"))
		if !ok {
			return start, end, badRequest("INVALID_REPLICATION_DATE", "%s is not a date and time: %s", name, params.Get(name))
		}
		*into = t.Truncate(time.Minute)
	}
	switch {
	case !end.After(start):
		err = badRequest("INVALID_REPLICATION_DATE", "endDate before startDate")
	case start.Before(a.cfg.Now().Add(-replicationWindow)):
		err = badRequest("INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
	}
	return start, end, err
}

func firstColumn(result *record.Result) []any {
	ids := make([]any, len(result.Rows))
	for i, row := range result.Rows {
		ids[i] = row[0]
	}
	return ids
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
