package event

import "context"

// Call is a request whose maker waits for the application's answer. Its event is
// the same as under any other pattern, the body being the data; the rest is what only a
// request has.
type Call struct {
	Event Event
	// Method of the request: "POST".
	Method string
	// Path below the destination's own address, escaped, with its slash; may be empty.
	Path string
	// Query without the question mark, as it came.
	Query string
	// Header holds what is passed on, by canonical name. Whoever makes the call has
	// chosen them; a destination leaves out what belongs to a connection.
	Header map[string][]string
}

// Reply is what the application answered.
type Reply struct {
	Status int
	// Header holds the end-to-end headers, by canonical name.
	Header map[string][]string
	Body   []byte
}

// Responder is a destination that answers.
type Responder interface {
	// Respond makes one attempt (numbered from 1) and returns the application's
	// answer, whatever its status, with what the attempt means to the engine. Outcome.Status
	// is 0 if there was no answer; then the reply is empty and the outcome says why. It
	// never panics and never retries by itself; the deadline of ctx bounds it.
	Respond(ctx context.Context, c Call, attempt int) (Reply, Outcome)
}
