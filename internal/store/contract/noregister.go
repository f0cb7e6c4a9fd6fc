package contract

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// NoRegister is the register of somebody who only looks at a broker: it knows
// nothing and refuses to be told.
type NoRegister struct{}

var _ Register = NoRegister{}

// Post implements [Register] by refusing.
func (NoRegister) Post(context.Context, []Posting) ([][]bool, error) {
	return nil, Inspecting("post to the register")
}

// Look implements [Register].
func (NoRegister) Look(context.Context, string, []string) (map[string]Known, error) { return nil, nil }

// Accounts implements [Register].
func (NoRegister) Accounts(context.Context) ([]Account, error) { return nil, nil }

// AuditRegister implements [Register].
func (NoRegister) AuditRegister(context.Context) ([]delivery.Finding, error) { return nil, nil }

// ListRegistered implements [Register].
func (NoRegister) ListRegistered(context.Context, delivery.ListFilter) ([]delivery.Record, error) {
	return nil, nil
}

// FindRegistered implements [Register].
func (NoRegister) FindRegistered(context.Context, string) ([]delivery.Record, error) { return nil, nil }
