// Package salesforce is the floor.
package salesforce

import _ "github.com/sallyport-dev/sallyport/internal/salesforce/auth" // want "internal/salesforce may not import internal/salesforce/auth"
