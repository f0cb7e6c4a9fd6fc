// Package bus is part of the simulator.
package bus

import (
	_ "github.com/sallyport-dev/sallyport/internal/event"             // want "internal/orgsim/bus may not import internal/event"
	_ "github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce/pubsub" // want "internal/orgsim/bus may not import internal/salesforce/pubsub"
	_ "github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)
