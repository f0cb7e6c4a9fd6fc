package sqlite

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// SealTrail implements [trail.Book] by refusing.
func (i *inspector) SealTrail(context.Context, int, *trail.Signer) (int, error) {
	return 0, contract.Inspecting("seal audit trail")
}

// DropTrail implements [trail.Book] by refusing.
func (i *inspector) DropTrail(context.Context, time.Time, int64, *trail.Signer) (int64, error) {
	return 0, contract.Inspecting("remove old audit trail")
}
