package control

import (
	"context"
	"time"
)

// Queues is what an operator can ask of the broker's queues that routes wait in.
type Queues interface {
	// Queues tells how full the queues of every route are, by name. A management API
	// that does not answer is told, and leaves out what only it knows.
	Queues(ctx context.Context) (QueueList, error)
	// Peek shows the first messages that are ready, or dead letters, and leaves them there.
	Peek(ctx context.Context, q PeekQuery) ([]Letter, error)
	// Purge removes for good what is ready and retrying, or the dead letters, and
	// returns how much that was.
	Purge(ctx context.Context, route string, dead bool) (int, error)
	// Migrate makes a route's queues what they must be, keeping every message, and
	// returns how they stood before. It can be interrupted and repeated.
	Migrate(ctx context.Context, m Migrate) ([]MigratedQueue, error)
}

// Migrate says how queues are migrated.
type Migrate struct {
	Route string
	// DryRun only looks.
	DryRun bool
	// Attached goes on although somebody consumes a queue that has to be replaced.
	Attached bool
	// Progress hears of n more messages moved: out of the old queue, or back into the new one.
	Progress func(queue string, back bool, n int)
}

// MigratedQueue is how a queue stood before a migration.
type MigratedQueue struct {
	Queue string `json:"queue"`
	// State is right, missing, differs, or interrupted: a migration before had not ended.
	State       string            `json:"state"`
	Differences []QueueDifference `json:"differences,omitempty"`
	Ready       int               `json:"ready"`
	// Aside counts messages that an interrupted migration has put aside.
	Aside     int `json:"aside,omitempty"`
	Consumers int `json:"consumers"`
}

// QueueDifference is one setting of a queue that is not as needed.
type QueueDifference struct {
	Name  string `json:"name"`
	Has   string `json:"has"`
	Needs string `json:"needs"`
}

// OpenedQueues answers [Queues] over connections opened for it alone.
type OpenedQueues struct {
	API Queues
	// Close gives the connections back; call it after the last question.
	Close func() error
}

// QueueList is the queues of all routes, and how their broker stands.
type QueueList struct {
	Queues []Queue `json:"queues"`
	Broker Broker  `json:"broker"`
}

// PeekQuery says which messages to show.
type PeekQuery struct {
	Route string
	Dead  bool
	Limit int
	// Payload shows them with their data.
	Payload bool
}

// Queue is how full the queues of one route are.
type Queue struct {
	Route string   `json:"route"`
	Names []string `json:"names"`
	// Ready waits for a consumer, Retrying for its next attempt. What consumers
	// hold unacknowledged is in neither.
	Ready     int `json:"ready"`
	Retrying  int `json:"retrying"`
	Dead      int `json:"dead"`
	Consumers int `json:"consumers"`
	// MaxDepth is the depth at which intake refuses; 0 never.
	MaxDepth int `json:"max_depth"`
	// Missing names queues that do not exist; they are declared when the gateway runs.
	Missing []string `json:"missing,omitempty"`
	// Left: the route waits in the store now, and what is here is being emptied.
	Left bool `json:"left,omitempty"`
	// Traffic is what the management API tells; absent where it does not.
	Traffic *QueueTraffic `json:"traffic,omitempty"`
}

// Letter is a message in a queue.
type Letter struct {
	Queue    string    `json:"queue"`
	ID       string    `json:"id"`
	Type     string    `json:"type,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	Key      string    `json:"key,omitempty"`
	Accepted time.Time `json:"accepted,omitzero"`
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due,omitzero"`
	// Handed is how often it was handed out without an end.
	Handed int64 `json:"handed"`
	// Died, Status, Reason and History tell of a dead letter.
	Died    time.Time `json:"died,omitzero"`
	Status  int       `json:"status,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	History []string  `json:"history,omitempty"`
	Size    int       `json:"size"`
	Data    []byte    `json:"data,omitempty"`
}
