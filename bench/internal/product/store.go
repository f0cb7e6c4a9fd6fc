package product

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

func openStore(ctx context.Context, cfg contract.Config) (contract.Store, error) {
	return sqlite.Open(ctx, cfg.WithDefaults())
}
