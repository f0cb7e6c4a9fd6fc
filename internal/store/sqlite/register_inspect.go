package sqlite

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Post implements [contract.Register] by refusing.
func (i *inspector) Post(context.Context, []contract.Posting) ([][]bool, error) {
	return nil, contract.Inspecting("post to the register")
}
