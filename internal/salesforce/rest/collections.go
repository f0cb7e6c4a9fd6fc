package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// MaxRows is how many records one collections call takes.
const MaxRows = 200

// Fields are a record's fields as JSON. Names are API names; null clears a field.
type Fields map[string]json.RawMessage

// SavedRow is what became of one record of a collections call.
type SavedRow struct {
	// ID is the record's Id; of a published event it is a throw-away.
	ID salesforce.ID
	// Created says that an upsert made the record.
	Created bool
	// UUID is a published event's id on the bus.
	UUID string
	// Err is why the record was refused; nothing happened to it then. It is an
	// [event.Error] with an [salesforce.APIError] inside.
	Err error
}

// CreateRows makes up to MaxRows records of one object, or publishes as many
// platform events, in one call. Records fail one by one: there is one result for
// each, in order. An error concerns the whole call, and its Happened says whether
// the records may have been saved all the same; the call is never repeated by itself.
func (c *Client) CreateRows(ctx context.Context, object string, rows []Fields) ([]SavedRow, error) {
	op := "create " + object
	return c.writeRows(ctx, op, http.MethodPost, c.call.Base()+"/composite/sobjects", object, rows)
}

// UpdateRows changes up to MaxRows records of one object as CreateRows makes them.
// Every row has its record's Id among the fields; a record may be in a call once.
func (c *Client) UpdateRows(ctx context.Context, object string, rows []Fields) ([]SavedRow, error) {
	op := "update " + object
	return c.writeRows(ctx, op, http.MethodPatch, c.call.Base()+"/composite/sobjects", object, rows)
}

// UpsertRows creates or updates up to MaxRows records by an external Id field, which
// every row has among the fields; a value may be in a call once.
func (c *Client) UpsertRows(ctx context.Context, object, externalField string, rows []Fields) ([]SavedRow, error) {
	op := "upsert " + object
	path := c.call.Base() + "/composite/sobjects/" + url.PathEscape(object) + "/" + url.PathEscape(externalField)
	return c.writeRows(ctx, op, http.MethodPatch, path, object, rows)
}

// DeleteRows puts up to MaxRows records, each named once, into the recycle bin.
func (c *Client) DeleteRows(ctx context.Context, object string, ids []string) ([]SavedRow, error) {
	op := "delete " + object
	path := c.call.Base() + "/composite/sobjects?allOrNone=false&ids=" + url.QueryEscape(strings.Join(ids, ","))
	a, err := c.call.Do(ctx, call.Request{Op: op, Method: http.MethodDelete, Path: path})
	if err != nil {
		return nil, err
	}
	return readRows(op, a.Body, len(ids))
}

func (c *Client) writeRows(ctx context.Context, op, method, path, object string, rows []Fields) ([]SavedRow, error) {
	body, err := rowsBody(object, rows)
	if err != nil {
		return nil, invalid(op, "the fields do not marshal to JSON")
	}
	a, err := c.call.Do(ctx, call.Request{Op: op, Method: method, Path: path, Body: body})
	if err != nil {
		return nil, err
	}
	return readRows(op, a.Body, len(rows))
}

// rowsBody writes the call's body. What the fields call attributes is ours to say.
func rowsBody(object string, rows []Fields) ([]byte, error) {
	attributes, err := json.Marshal(map[string]string{"type": object})
	if err != nil {
		return nil, fmt.Errorf("write attributes: %w", err)
	}
	var out bytes.Buffer
	out.WriteString(`{"allOrNone":false,"records":[`)
	for i, row := range rows {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`{"attributes":`)
		out.Write(attributes)
		for name, value := range row {
			if name == "attributes" {
				continue
			}
			key, err := json.Marshal(name)
			if err != nil || !json.Valid(value) {
				return nil, fmt.Errorf("write field: not JSON")
			}
			out.WriteByte(',')
			out.Write(key)
			out.WriteByte(':')
			out.Write(value)
		}
		out.WriteByte('}')
	}
	out.WriteString("]}")
	return out.Bytes(), nil
}

// readRows reads one result for each row. An answer that cannot be matched to the
// rows tells nothing about any of them.
func readRows(op string, body []byte, want int) ([]SavedRow, error) {
	var results []saveResult
	err := call.Decode(op, body, &results)
	if err == nil && len(results) != want {
		err = fmt.Errorf("sent %d records, have %d results", want, len(results))
	}
	if err != nil {
		return nil, &event.Error{Op: op, Happened: event.HappenedUnknown, Healing: event.Transient, Hint: event.HintOf(err), Err: err}
	}
	rows := make([]SavedRow, want)
	for i, r := range results {
		rows[i] = SavedRow{ID: salesforce.ID(r.ID), Created: r.Created}
		switch {
		case !r.Success && len(r.Errors) == 0:
			rows[i].Err = r.err(op, http.StatusBadRequest)
		case !r.Success:
			rows[i].Err = auth.Fault(op, event.HappenedNo, r.Errors[0].Refusal(http.StatusBadRequest))
		case len(r.Errors) > 0 && r.Errors[0].Code() == salesforce.CodeEnqueued:
			rows[i].UUID = r.Errors[0].Message
		}
	}
	return rows, nil
}

// LoginFailed reports whether a call came to nothing for want of a token.
func LoginFailed(err error) bool { return call.LoginFailed(err) }
