package contract

import "context"

// Vault is the payloads that rest, for whoever seals them. It knows nothing of keys.
type Vault interface {
	// Payloads returns payloads in sequence, beginning at the event with number from,
	// about limit of them, and the number to go on from; 0 when there are no more.
	Payloads(ctx context.Context, from int64, limit int) (page []Payload, next int64, err error)
	// Replace puts payloads in the place of those of the same numbers, all or none. One
	// whose payload retention has removed meanwhile stays removed.
	Replace(ctx context.Context, payloads []Payload) error
	// Answers calls see with every answer that is kept for a repeated request, until
	// the answers end or ctx does.
	Answers(ctx context.Context, see func(answer []byte)) error
}

// Payload is the data of an event that rests.
type Payload struct {
	Seq       int64
	Route, ID string
	Data      []byte
}
