package bus_test

import (
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/sallyport-dev/sallyport/internal/salesforce/rest" // want "a test of internal/orgsim/bus may not import internal/salesforce/rest"
)

func TestSleeps(t *testing.T) {
	time.Sleep(time.Second) // want "uses time.Sleep"
	synctest.Test(t, func(*testing.T) { time.Sleep(time.Second) })
}

func TestSkips(t *testing.T) {
	t.Skip("not today") // want "skips a test"
}

func wait() { time.Sleep(time.Second) }
