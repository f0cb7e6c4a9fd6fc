package restapi

import (
	"errors"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// publish validates a platform event and puts it on the bus. Inside an allOrNone
// composite an event that is published after commit waits for the commit.
func (a *API) publish(c *call, o *schema.Object, in record.Row) error {
	row, err := record.Prepare(o, in)
	if err != nil {
		return err
	}
	enqueue := func() error {
		answer, err := a.enqueue(c, o, row)
		if err != nil {
			return err
		}
		writeJSON(c.w, http.StatusCreated, answer)
		return nil
	}
	return c.afterCommit(enqueue, o.PublishAfterCommit)
}

// enqueue puts a validated event on the bus. The answer is a success whose one
// "error" carries the event's UUID, as the org words it; the id is a throw-away
// one that the event does not carry.
func (a *API) enqueue(c *call, o *schema.Object, row record.Row) (saved, error) {
	uuid, err := a.cfg.Publisher.Publish(o, row, c.session.UserID)
	if err != nil {
		return saved{}, publishProblem(err)
	}
	enqueued := map[string]any{"statusCode": "OPERATION_ENQUEUED", "message": uuid, "fields": []string{}}
	return saved{ID: throwAwayID(o), Success: true, Errors: []map[string]any{enqueued}}, nil
}

// publishProblem passes a refusal of the bus on in its own words (a used-up
// allocation, say); anything else means that the bus is down.
func publishProblem(err error) error {
	var refused *record.Error
	if errors.As(err, &refused) {
		return err
	}
	return &problem{
		status: http.StatusServiceUnavailable, code: "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE",
		message: "The platform event could not be published", fields: []string{},
	}
}

// throwAwayID is the id in the answer to a publish: the event's key prefix and a constant.
func throwAwayID(o *schema.Object) salesforce.ID {
	id, err := salesforce.ParseID(o.KeyPrefix + "Sp0000000001")
	if err != nil {
		return ""
	}
	return id
}
