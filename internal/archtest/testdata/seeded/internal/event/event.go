// Package event is the floor.
package event

import (
	_ "github.com/oklog/ulid/v2" // want "internal/event imports github.com/oklog/ulid/v2, which is not in the standard library"
	_ "strings"

	_ "github.com/sallyport-dev/sallyport/internal/secret" // want "internal/event may not import internal/secret"
)
