package rest

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Updated is what changed in a window of time.
type Updated struct {
	IDs []salesforce.ID
	// Covered is up to where the answer is complete: a long transaction may commit
	// with older stamps later. The next window starts here.
	Covered time.Time
}

// Deleted is what was deleted in a window of time and is still known as deleted.
type Deleted struct {
	Records []DeletedRecord
	// Earliest is from when on deletions are known; a window that starts before it
	// may miss some.
	Earliest time.Time
	Covered  time.Time
}

// DeletedRecord is one deletion.
type DeletedRecord struct {
	ID salesforce.ID
	At time.Time
}

// Updated lists the records of an sObject that were created, changed or undeleted
// from start on and before end. Seconds are cut off; the window may begin at most 30 days ago.
func (c *Client) Updated(ctx context.Context, object string, start, end time.Time) (Updated, error) {
	var answer struct {
		IDs     []salesforce.ID `json:"ids"`
		Covered stamp           `json:"latestDateCovered"`
	}
	err := c.call.Get(ctx, "list updated "+object, c.windowPath(object, "updated", start, end), &answer)
	return Updated{IDs: answer.IDs, Covered: time.Time(answer.Covered)}, err
}

// Deleted lists the records of an sObject that were deleted from start on and
// before end. Seconds are cut off; the window may begin at most 30 days ago.
func (c *Client) Deleted(ctx context.Context, object string, start, end time.Time) (Deleted, error) {
	var answer struct {
		Records []struct {
			ID salesforce.ID `json:"id"`
			At stamp         `json:"deletedDate"`
		} `json:"deletedRecords"`
		Earliest stamp `json:"earliestDateAvailable"`
		Covered  stamp `json:"latestDateCovered"`
	}
	err := c.call.Get(ctx, "list deleted "+object, c.windowPath(object, "deleted", start, end), &answer)
	d := Deleted{Earliest: time.Time(answer.Earliest), Covered: time.Time(answer.Covered)}
	for _, r := range answer.Records {
		d.Records = append(d.Records, DeletedRecord{ID: r.ID, At: time.Time(r.At)})
	}
	return d, err
}

func (c *Client) windowPath(object, which string, start, end time.Time) string {
	window := url.Values{"start": {start.UTC().Format(time.RFC3339)}, "end": {end.UTC().Format(time.RFC3339)}}
	return c.objectPath(object, which) + "/?" + window.Encode()
}

// stamp is a datetime as the REST API spells it: "2026-08-20T09:14:02.000+0000".
type stamp time.Time

// UnmarshalText reads a datetime of the API.
func (s *stamp) UnmarshalText(text []byte) error {
	t, err := ParseStamp(string(text))
	*s = stamp(t)
	return err
}

// ParseStamp reads a datetime as the REST API or the Bulk API spells it.
func ParseStamp(text string) (time.Time, error) {
	for _, form := range []string{"2006-01-02T15:04:05.999Z07:00", "2006-01-02T15:04:05.999-0700"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("not a datetime of the API: %.40q", text)
}

// OrgID returns the Id of the org that the token opens, logging in if need be.
func (c *Client) OrgID(ctx context.Context) (salesforce.ID, error) {
	token, err := c.call.Token(ctx)
	return token.OrgID, err
}
