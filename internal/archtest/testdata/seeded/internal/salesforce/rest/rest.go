// Package rest is a wire.
package rest

import (
	_ "github.com/sallyport-dev/sallyport/internal/delivery"          // want "internal/salesforce/rest may not import internal/delivery"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce/pubsub" // want "internal/salesforce/rest may not import internal/salesforce/pubsub"
)
