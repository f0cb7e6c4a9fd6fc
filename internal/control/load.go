package control

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/scale"
)

// LoadList is what the routes that wait in RabbitMQ have to do, and what does it.
type LoadList struct {
	Live  bool         `json:"live"`
	At    time.Time    `json:"at"`
	Loads []scale.Load `json:"loads"`
}

// Broker is how the broker stands, as one gateway sees it.
type Broker struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since,omitzero"`
	// Why it is not connected, and Hint what to do.
	Why  string `json:"why,omitempty"`
	Hint string `json:"hint,omitempty"`
	// Blocked is why the broker takes no messages; empty when it does.
	Blocked    string     `json:"blocked,omitempty"`
	Management Management `json:"management"`
	// Nodes are told by the management API, to users who may see them.
	Nodes []BrokerNode `json:"nodes,omitempty"`
}

// Management is whether the broker's management API is read.
type Management struct {
	// State is off, reached or unreachable.
	State string    `json:"state"`
	At    time.Time `json:"at,omitzero"`
	Why   string    `json:"why,omitempty"`
	Hint  string    `json:"hint,omitempty"`
}

// The states of a management API.
const (
	ManagementOff         = "off"
	ManagementReached     = "reached"
	ManagementUnreachable = "unreachable"
)

// BrokerNode is a node of the broker.
type BrokerNode struct {
	Name        string `json:"name"`
	Running     bool   `json:"running"`
	MemoryAlarm bool   `json:"memory_alarm"`
	DiskAlarm   bool   `json:"disk_alarm"`
	MemoryUsed  int64  `json:"memory_used"`
	MemoryLimit int64  `json:"memory_limit"`
	DiskFree    int64  `json:"disk_free"`
	DiskLimit   int64  `json:"disk_limit"`
}

// QueueTraffic is what the management API tells of a route's queues, some seconds late.
type QueueTraffic struct {
	// Unacked is with consumers, of all processes.
	Unacked int `json:"unacknowledged"`
	// Published, Delivered and Acked are messages a second over the last minute.
	Published float64 `json:"published_rate"`
	Delivered float64 `json:"delivered_rate"`
	Acked     float64 `json:"acknowledged_rate"`
	// Capacity is the share of the time that consumers took messages at once; absent is not known.
	Capacity *float64 `json:"consumer_capacity,omitempty"`
	// Oldest is the time stamp of the first message that waits; quorum queues do not tell it.
	Oldest time.Time `json:"oldest,omitzero"`
	Bytes  int64     `json:"bytes"`
}

// Load implements [API].
func (s *Service) Load(ctx context.Context) (LoadList, error) {
	out := LoadList{Live: s.live(), At: s.config.Now().UTC(), Loads: []scale.Load{}}
	if s.config.Loads == nil {
		return out, nil
	}
	all, err := s.config.Loads(ctx)
	if err != nil {
		return LoadList{}, fault("measure the queues", err)
	}
	out.Loads = append(out.Loads, all...)
	return out, nil
}

// Load implements [API].
func (c *Client) Load(ctx context.Context) (LoadList, error) {
	var out LoadList
	return out, c.get(ctx, pathLoad, nil, &out)
}
