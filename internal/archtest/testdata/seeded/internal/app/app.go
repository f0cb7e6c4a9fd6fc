// Package app is the assembly.
package app

import (
	_ "github.com/sallyport-dev/sallyport/internal/orgsim" // want "internal/app may not import internal/orgsim"
	_ "github.com/sallyport-dev/sallyport/internal/store/sqlite"
)
