// Package delivery is an engine.
package delivery

import (
	_ "github.com/failsafe-go/failsafe-go"

	_ "github.com/sallyport-dev/sallyport/internal/config"     // want "internal/delivery may not import internal/config"
	_ "github.com/sallyport-dev/sallyport/internal/event"
	_ "github.com/sallyport-dev/sallyport/internal/route"      // want "internal/delivery may not import internal/route"
	_ "github.com/sallyport-dev/sallyport/internal/store/pgx"  // want "internal/delivery may not import internal/store/pgx"
	_ "github.com/sallyport-dev/sallyport/internal/testkit/pg" // want "internal/delivery may not import internal/testkit/pg"
	_ "github.com/sallyport-dev/sallyport/internal/delivery/deliverytest" // want "internal/delivery may not import internal/delivery/deliverytest"
)
