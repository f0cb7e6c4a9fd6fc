package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Saved is what became of a create or upsert.
type Saved struct {
	// ID is the record's Id; empty when an upsert on an old API version updated.
	ID      salesforce.ID
	Created bool
}

// Create makes a record from fields (anything that marshals to a JSON object)
// and returns its Id. It is never repeated by itself.
func (c *Client) Create(ctx context.Context, object string, fields any) (Saved, error) {
	s, err := c.save(ctx, "create "+object, http.MethodPost, c.objectPath(object), fields)
	s.Created = err == nil
	return s, err
}

// Update changes the fields of a record; null clears a field. fields must not
// contain Id.
func (c *Client) Update(ctx context.Context, object string, id salesforce.ID, fields any) error {
	_, err := c.save(ctx, "update "+object, http.MethodPatch, c.objectPath(object, string(id)), fields)
	return err
}

// Upsert creates the record whose external Id field has the value, or updates it
// if there is one. More than one match is an APIError with CodeMultipleMatches.
// fields must not contain the external Id field.
func (c *Client) Upsert(ctx context.Context, object, externalField, value string, fields any) (Saved, error) {
	op := "upsert " + object
	if value == "" {
		return Saved{}, invalid(op, "the external Id value is empty")
	}
	return c.save(ctx, op, http.MethodPatch, c.objectPath(object, externalField, value), fields)
}

// Delete puts a record into the recycle bin.
func (c *Client) Delete(ctx context.Context, object string, id salesforce.ID) error {
	_, err := c.call.Do(ctx, call.Request{Op: "delete " + object, Method: http.MethodDelete, Path: c.objectPath(object, string(id))})
	return err
}

// Get returns a record as JSON: all fields that the user may see, or the named ones.
func (c *Client) Get(ctx context.Context, object string, id salesforce.ID, fields ...string) (json.RawMessage, error) {
	path := c.objectPath(object, string(id))
	if len(fields) > 0 {
		path += "?fields=" + url.QueryEscape(strings.Join(fields, ","))
	}
	var record json.RawMessage
	err := c.call.Get(ctx, "get "+object, path, &record)
	return record, err
}

func (c *Client) objectPath(object string, parts ...string) string {
	path := c.call.Base() + "/sobjects/" + url.PathEscape(object)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

func (c *Client) save(ctx context.Context, op, method, path string, fields any) (Saved, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return Saved{}, invalid(op, "the fields do not marshal to JSON")
	}
	a, err := c.call.Do(ctx, call.Request{Op: op, Method: method, Path: path, Body: body})
	if err != nil || len(a.Body) == 0 {
		return Saved{}, err
	}
	var result saveResult
	if err := call.Decode(op, a.Body, &result); err != nil {
		return Saved{}, err
	}
	return Saved{ID: salesforce.ID(result.ID), Created: result.Created}, result.err(op, a.Status)
}

func invalid(op, why string) error {
	return &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: fmt.Errorf("%s", why)}
}

// Published is a platform event that Salesforce has put in its queue.
type Published struct {
	// UUID is the event's id on the bus. The id that the API answers with is of
	// no use and is dropped.
	UUID string
}

// PublishEvent publishes a platform event (Name__e). Success means enqueued: the
// event is not on the bus yet.
func (c *Client) PublishEvent(ctx context.Context, name string, fields any) (Published, error) {
	op := "publish " + name
	body, err := json.Marshal(fields)
	if err != nil {
		return Published{}, invalid(op, "the fields do not marshal to JSON")
	}
	a, err := c.call.Do(ctx, call.Request{Op: op, Method: http.MethodPost, Path: c.objectPath(name), Body: body})
	if err != nil {
		return Published{}, err
	}
	var result saveResult
	if err := call.Decode(op, a.Body, &result); err != nil {
		return Published{}, err
	}
	if err := result.err(op, a.Status); err != nil {
		return Published{}, err
	}
	for _, e := range result.Errors {
		if e.StatusCode == salesforce.CodeEnqueued {
			return Published{UUID: e.Message}, nil
		}
	}
	return Published{}, nil
}
