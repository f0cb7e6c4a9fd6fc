// Package control is a surface.
package control

import (
	_ "github.com/sallyport-dev/sallyport/internal/delivery"
	_ "github.com/sallyport-dev/sallyport/internal/pg"     // want "internal/control may not import internal/pg"
	_ "github.com/sallyport-dev/sallyport/internal/store"  // want "internal/control may not import internal/store"
	_ "github.com/sallyport-dev/sallyport/internal/config" // want "internal/control may not import internal/config"
)
