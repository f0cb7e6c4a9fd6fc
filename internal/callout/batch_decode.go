package callout

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// batchItem is an event of a batch as callers write it.
type batchItem struct {
	ID   string          `json:"id"`
	Key  string          `json:"key"`
	Data json.RawMessage `json:"data"`
}

// NewItem makes an item of what a caller wrote.
type NewItem func(id, orderKey string, data []byte) event.Event

// DecodeBatch reads events from a JSON array, or from lines of JSON (NDJSON),
// as they come in; only their data is kept. What is wrong with one event becomes its own
// problem. What makes the rest unreadable, or is too much, refuses the request.
func DecodeBatch(body io.Reader, lines bool, build NewItem) ([]Item, *Problem) {
	decode := func(raw []byte) Item { return decodeItem(raw, build) }
	if lines {
		return decodeLines(body, decode)
	}
	return DecodeArray(body, decode)
}

// DecodeArray reads a JSON array as it comes in, each element by decode; that
// must not keep what it is given.
func DecodeArray(body io.Reader, decode func(raw []byte) Item) ([]Item, *Problem) {
	dec := json.NewDecoder(body)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, unreadable(0, err, "the body is not a JSON array")
	}
	var items []Item
	for dec.More() {
		if len(items) == MaxBatch {
			return nil, tooMany()
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, unreadable(len(items), err, "the array breaks off")
		}
		items = append(items, decode(raw))
	}
	if _, err := dec.Token(); err != nil {
		return nil, unreadable(len(items), err, "the array does not end")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, unreadable(len(items), err, "something follows the array")
	}
	return some(items)
}

// decodeLines reads one event a line; empty lines are passed over.
func decodeLines(body io.Reader, decode func(raw []byte) Item) ([]Item, *Problem) {
	r := bufio.NewReaderSize(body, 64<<10)
	var items []Item
	for {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, unreadable(len(items), err, "the body breaks off")
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if len(items) == MaxBatch {
				return nil, tooMany()
			}
			items = append(items, decode(text))
		}
		if err != nil {
			return some(items)
		}
	}
}

func some(items []Item) ([]Item, *Problem) {
	if len(items) == 0 {
		return nil, &Problem{Status: 400, Code: CodeBadRequest, What: "the batch is empty", Happened: event.HappenedNo, Next: "send at least one event"}
	}
	return items, nil
}

func decodeItem(raw []byte, build NewItem) Item {
	if !utf8.Valid(raw) {
		return Item{Problem: badItem("", "is not UTF-8")}
	}
	var in batchItem
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Item{Problem: badItem(fieldOf(err))}
	}
	if dec.More() { // only on a line of its own
		return Item{Problem: badItem("", "something follows the object")}
	}
	switch _, problem := ParseKey(in.ID); {
	case problem != nil:
		return Item{Problem: badItem("id", "is not up to 255 printable ASCII characters")}
	case len(in.Key) > maxKey:
		return Item{Event: event.Event{ID: in.ID}, Problem: badItem("key", "is longer than 255 bytes")}
	case len(in.Data) == 0:
		return Item{Event: event.Event{ID: in.ID}, Problem: badItem("data", "is missing")}
	}
	return Item{Event: build(in.ID, in.Key, bytes.Clone(in.Data))}
}

// fieldOf says which field of an item is wrong, and how, without quoting it.
func fieldOf(err error) (field, what string) {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return "", "is not an object"
		}
		return e.Field, "is a JSON " + e.Value + " and not a string"
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return strings.Trim(name, `"`), "is not a field of an event (id, key, data)"
	}
	return "", "is not JSON"
}

func badItem(field, what string) *Problem {
	if field != "" {
		what = field + " " + what
	} else {
		what = "the event " + what
	}
	return &Problem{
		Status: 400, Code: CodeBadEvent, Field: field, What: what, Happened: event.HappenedNo,
		Next: `send {"data": …}, with "id" (a key that stays the same when it is repeated) and "key" (what it is ordered by) if wanted`,
	}
}

// unreadable refuses a whole batch: after a fault in the JSON nobody knows where
// the next event begins.
func unreadable(index int, err error, what string) *Problem {
	p := &Problem{
		Status: 400, Code: CodeBadRequest, What: fmt.Sprintf("%s at event %d; nothing was accepted", what, index), Happened: event.HappenedNo,
		Next: "send one JSON array, or with Content-Type: application/x-ndjson one event a line", Err: err,
	}
	if large, ok := errors.AsType[sizeError](err); ok {
		p.Status, p.Code = 413, CodeTooLarge
		p.What, p.Next = large.Error()+"; nothing was accepted", "send the events in several requests"
	}
	return p
}

// sizeError is an error of a reader that gives no more than so many bytes
// ([net/http.MaxBytesError] wrapped by whoever reads HTTP).
type sizeError interface {
	error
	TooLarge() bool
}

func tooMany() *Problem {
	return &Problem{
		Status: 413, Code: CodeTooMany, What: fmt.Sprintf("more than %d events; nothing was accepted", MaxBatch), Happened: event.HappenedNo,
		Next: "send the events in several requests",
	}
}
