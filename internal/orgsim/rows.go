package orgsim

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// refuseWrite asks the switchboard about a write of a record, whatever API it
// comes by. What the org does to itself is never refused.
func (o *Org) refuseWrite(ctx context.Context, w record.Write) error {
	refusal, ok := o.faults.TakeWrite(ctx, w.Object.Name, string(w.Type), string(w.ID))
	if !ok {
		return nil
	}
	return &record.Error{Code: refusal.Code, Message: refusal.Message, Fields: []string{}}
}

// switchOn sets the faults of the configuration, once the org is seeded.
func (o *Org) switchOn(context.Context) error {
	for _, f := range o.cfg.Faults {
		if _, err := o.faults.Set(f); err != nil {
			return err
		}
	}
	return nil
}
