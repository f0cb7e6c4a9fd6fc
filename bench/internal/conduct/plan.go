package conduct

import "time"

// The cases: what the counted time ends with.
const (
	// Durable: from the stream to the disk.
	Durable = "stream to durable"
	// Decoded is Durable over TLS, next to clients that only decode.
	Decoded = "stream over TLS"
	// Delivered: from the stream to the application, one by one.
	Delivered = "stream to delivered"
)

// Program is one program of a case.
type Program struct {
	Name string
	// Binary is the program's file below the folder of binaries; "npm" runs the
	// Node.js client.
	Binary string
	Args   []string
	// Store says what the product stores in: "sqlite", "postgres" or nothing.
	Store string
	// Sink says that the events are delivered.
	Sink bool
	// Signed says that the deliveries are signed.
	Signed bool
	TLS    bool
	// Scale divides the number of events, for programs that would take minutes.
	Scale int64
}

// Case is programs that are run in turn.
type Case struct {
	Name     string
	Events   int64 // counted
	Warm     int64
	Programs []Program
}

// Size says how long a sitting may take.
type Size struct {
	Durable, Delivered int64
	Warm               int64
	Rounds             int
	// CatchUp is how many events wait in the org; it takes the place of Durable and
	// Delivered in a sitting of its own.
	CatchUp int64
	// Quiet is how long a run waits at most for other processes to be quiet.
	Quiet time.Duration
}

// Cases returns what is run in every round.
func Cases(size Size) []Case {
	if size.CatchUp > 0 {
		return CatchUpCases(size.CatchUp, size.Warm)
	}
	return []Case{
		{
			Name: Durable, Events: size.Durable, Warm: size.Warm,
			Programs: []Program{
				{Name: "limit", Binary: "limit", Args: []string{"-mode", "durable"}},
				{Name: "product, SQLite", Binary: "product", Store: "sqlite"},
				{Name: "limit, overlapped", Binary: "limit", Args: []string{"-mode", "overlapped"}},
				{Name: "product, PostgreSQL", Binary: "product", Store: "postgres"},
			},
		},
		{
			Name: Decoded, Events: size.Durable, Warm: size.Warm,
			Programs: []Program{
				{Name: "product, SQLite", Binary: "product", Store: "sqlite", TLS: true},
				{Name: "salesforce-pubsub-api-client", Binary: "npm", TLS: true, Scale: 5},
				{Name: "hamba/avro + encoding/json", Binary: "gopeer", TLS: true},
			},
		},
		{
			Name: Delivered, Events: size.Delivered, Warm: size.Warm,
			Programs: []Program{
				{Name: "limit", Binary: "limit", Args: []string{"-mode", "deliver"}, Sink: true},
				{Name: "product, SQLite", Binary: "product", Store: "sqlite", Sink: true, Signed: true},
				{Name: "product, PostgreSQL", Binary: "product", Store: "postgres", Sink: true, Signed: true},
				{Name: "product, SQLite, no order", Binary: "product", Args: []string{"-order-by", "none"}, Store: "sqlite", Sink: true, Signed: true},
			},
		},
	}
}
