package budget

import (
	"context"
	"time"
)

// Book is an org's account, kept for all processes that share a store and over
// their restarts.
type Book interface {
	// Book adds what p holds to the account of p.Org and returns the account since
	// p.Since, of all processes, all of it as of one moment. It is durable when the
	// method returns; after an error the addition may have been made all the same. It is
	// called about once a second per process.
	Book(ctx context.Context, p Posting) (Account, error)
}

// Posting is what a process adds to an org's account.
type Posting struct {
	// Org says which org's account is meant; see [Config.Org].
	Org string
	// Uses are added to what is there.
	Uses []Use
	// Readings replace an older one of the same name and [Reading.Bucket].
	Readings []Reading
	// Since bounds what is returned: hours and buckets that begin before it are left out.
	Since time.Time
	// Forget removes the hours and buckets that begin before it.
	Forget time.Time
}

// Use counts requests of one priority in one hour.
type Use struct {
	Priority string
	// Hour is the beginning of the hour, in UTC.
	Hour          time.Time
	Used, Refused int64
}

// Reading is what the org said at one time of one of its allowances.
type Reading struct {
	// Name is the allowance's name in the limits resource: "DailyApiRequests".
	Name      string
	At        time.Time
	Used, Max int64
}

// Bucket is the beginning of the ten minutes in which the reading was made; of each
// the newest reading is kept, so that the pace can be told after a restart.
func (r Reading) Bucket() time.Time { return r.At.UTC().Truncate(step) }

// Account is what all processes have booked.
type Account struct {
	// Uses are in no particular order.
	Uses []Use
	// Readings are ordered by name and time.
	Readings []Reading
}
