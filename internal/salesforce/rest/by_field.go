package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// MaxParts is how many requests one composite batch takes.
const MaxParts = 25

// part is one request of a composite batch.
type part struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Input  Fields `json:"richInput,omitempty"`
}

// UpdateByField changes up to MaxParts records that are known by the value of an
// external Id field, in one call; one that does not exist is refused and not created.
// fields must not contain that field. Results and errors are as of CreateRows.
func (c *Client) UpdateByField(ctx context.Context, object, field string, values []string, fields []Fields) ([]SavedRow, error) {
	parts := make([]part, len(values))
	for i, value := range values {
		parts[i] = part{Method: http.MethodPatch, URL: c.partPath(object, field, value) + "?updateOnly=true", Input: fields[i]}
	}
	return c.batch(ctx, "update "+object, parts)
}

// DeleteByField deletes up to MaxParts records as UpdateByField changes them.
func (c *Client) DeleteByField(ctx context.Context, object, field string, values []string) ([]SavedRow, error) {
	parts := make([]part, len(values))
	for i, value := range values {
		parts[i] = part{Method: http.MethodDelete, URL: c.partPath(object, field, value)}
	}
	return c.batch(ctx, "delete "+object, parts)
}

// partPath is relative to where the versions lie.
func (c *Client) partPath(object, field, value string) string {
	const versions = len("/services/data/")
	return c.call.Base()[versions:] + "/sobjects/" + url.PathEscape(object) + "/" + url.PathEscape(field) + "/" + url.PathEscape(value)
}

func (c *Client) batch(ctx context.Context, op string, parts []part) ([]SavedRow, error) {
	body, err := json.Marshal(map[string]any{"haltOnError": false, "batchRequests": parts})
	if err != nil {
		return nil, invalid(op, "the fields do not marshal to JSON")
	}
	a, err := c.call.Do(ctx, call.Request{Op: op, Method: http.MethodPost, Path: c.call.Base() + "/composite/batch", Body: body})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []struct {
			Status int             `json:"statusCode"`
			Result json.RawMessage `json:"result"`
		} `json:"results"`
	}
	err = call.Decode(op, a.Body, &answer)
	if err == nil && len(answer.Results) != len(parts) {
		err = fmt.Errorf("sent %d requests, have %d results", len(parts), len(answer.Results))
	}
	if err != nil {
		return nil, &event.Error{Op: op, Happened: event.HappenedUnknown, Healing: event.Transient, Hint: event.HintOf(err), Err: err}
	}
	rows := make([]SavedRow, len(parts))
	for i, r := range answer.Results {
		if r.Status/100 != 2 {
			rows[i].Err = partFault(op, call.ReadRefusal(r.Status, r.Result))
		}
	}
	return rows, nil
}

func partFault(op string, refusal *salesforce.APIError) error {
	happened := event.HappenedNo
	if refusal.Status >= http.StatusInternalServerError {
		happened = event.HappenedUnknown
	}
	return auth.Fault(op, happened, refusal)
}
