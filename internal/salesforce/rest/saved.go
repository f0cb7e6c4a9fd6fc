package rest

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// saveResult is the answer of a create or upsert, and of a published event.
type saveResult struct {
	ID      string           `json:"id"`
	Success bool             `json:"success"`
	Created bool             `json:"created"`
	Errors  []call.WireError `json:"errors"`
}

// err returns why the save failed, nil if it did not. A published event is a
// success that carries a one-element error list.
func (s saveResult) err(op string, status int) error {
	if s.Success {
		return nil
	}
	refusal := &salesforce.APIError{Status: status, Message: "the save was refused without a reason"}
	if len(s.Errors) > 0 {
		refusal = s.Errors[0].Refusal(http.StatusBadRequest)
	}
	return auth.Fault(op, event.HappenedNo, refusal)
}
