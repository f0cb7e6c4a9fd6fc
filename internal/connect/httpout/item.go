package httpout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Item is what an application answers about one event of a batch. The answer is
// a JSON array of them, one for each event:
//
//	[{"id": "...", "status": 200}, {"id": "...", "status": 503, "retry_after": 30}]
//
// Further members are ignored. An event that the array does not name is sent again.
type Item struct {
	// ID is the event's id; required.
	ID string
	// Status is required and means what the same HTTP status means for an event sent
	// alone, except that 429, 502, 503 and 504 count as an attempt: they are about
	// this event, and not about the application as a whole.
	Status int
	// RetryAfter is the number of seconds to wait before the next attempt.
	RetryAfter uint64
}

// UnmarshalJSON wants an id and a status that makes sense.
func (it *Item) UnmarshalJSON(data []byte) error {
	var raw struct {
		ID         *string `json:"id"`
		Status     *int    `json:"status"`
		RetryAfter *uint64 `json:"retry_after"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	switch {
	case raw.ID == nil || *raw.ID == "":
		return errors.New("an item has no id")
	case raw.Status == nil:
		return errors.New("an item has no status")
	case *raw.Status < 200 || *raw.Status > 599:
		return fmt.Errorf("an item's status is %d, which is not between 200 and 599", *raw.Status)
	}
	it.ID, it.Status = *raw.ID, *raw.Status
	if raw.RetryAfter != nil {
		it.RetryAfter = *raw.RetryAfter
	}
	return nil
}

// parseItems reads the answer to a batch. Its errors do not repeat the answer,
// which may quote the payload.
func parseItems(body []byte) (map[string]Item, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	var items []*Item
	if err := dec.Decode(&items); err != nil {
		return nil, plainly(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the array")
	}
	if items == nil {
		return nil, errors.New("it is not an array")
	}
	named := make(map[string]Item, len(items))
	for _, it := range items {
		if it == nil {
			return nil, errors.New("an item is not an object")
		}
		if other, twice := named[it.ID]; twice && other != *it {
			return nil, errors.New("two items name one event and differ")
		}
		named[it.ID] = *it
	}
	return named, nil
}

// plainly says what is wrong without quoting the answer.
func plainly(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		switch wrong.Field {
		case "id", "status", "retry_after":
			return fmt.Errorf("an item's %s is of the wrong kind", wrong.Field)
		}
		return errors.New("it is not an array of objects")
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it is not JSON")
	}
	return err
}
