// Package callout is an adapter.
package callout

import (
	_ "github.com/sallyport-dev/sallyport/internal/connect/httpout" // want "internal/connect/callout may not import internal/connect/httpout"
	_ "github.com/sallyport-dev/sallyport/internal/event"
	_ "github.com/sallyport-dev/sallyport/internal/rabbit"
	_ "github.com/sallyport-dev/sallyport/internal/subscription" // want "internal/connect/callout may not import internal/subscription"
)
