package conduct

const (
	// CaughtUp: a backlog that waits in the org, to the disk.
	CaughtUp = "catch-up to durable"
	// Worked: the same to the application, in batches and one by one.
	Worked = "catch-up to delivered"
)

// batchArgs deliver 200 events a request, with the route's usual 16 requests at once.
var batchArgs = []string{"-batch", "200", "-workers", "16"}

// CatchUpCases returns what is run after an outage of so many events. What is
// delivered gets a fifth of them, one by one a twentieth, as does what only decodes in
// JavaScript, or a sitting would take a quarter of an hour.
func CatchUpCases(events, warm int64) []Case {
	return []Case{
		{
			Name: CaughtUp, Events: events, Warm: warm,
			Programs: []Program{
				{Name: "limit", Binary: "limit", Args: []string{"-mode", "durable"}},
				{Name: "product, SQLite", Binary: "product", Store: "sqlite"},
				{Name: "product, PostgreSQL", Binary: "product", Store: "postgres"},
				{Name: "salesforce-pubsub-api-client, decoding only", Binary: "npm", TLS: true, Scale: 20},
			},
		},
		{
			Name: Worked, Events: events / 5, Warm: warm / 5,
			Programs: []Program{
				{Name: "limit, one by one", Binary: "limit", Args: []string{"-mode", "deliver"}, Sink: true, Scale: 4},
				{Name: "product, SQLite, batches of 200", Binary: "product", Args: batchArgs, Store: "sqlite", Sink: true, Signed: true},
				{Name: "product, PostgreSQL, batches of 200", Binary: "product", Args: batchArgs, Store: "postgres", Sink: true, Signed: true},
				{Name: "product, SQLite, one by one", Binary: "product", Store: "sqlite", Sink: true, Signed: true, Scale: 4},
				{Name: "product, PostgreSQL, one by one", Binary: "product", Store: "postgres", Sink: true, Signed: true, Scale: 4},
			},
		},
	}
}
