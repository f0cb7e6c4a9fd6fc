// Package deliverytest is for tests only.
package deliverytest

import _ "github.com/sallyport-dev/sallyport/internal/delivery"
