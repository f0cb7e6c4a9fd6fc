package records

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// DefaultOutbox is the object in which the Sallyport Apex package keeps what a
// transaction published. Its fields are the constants below; docs/outbox.md is
// the contract.
const DefaultOutbox = "Sallyport_Outbox__c"

// The fields of the outbox.
const (
	outboxID      = "Event_Id__c"
	outboxTopic   = "Topic__c"
	outboxPayload = "Payload__c"
	outboxKey     = "Key__c"
)

// RowsConfig says from which rows of the org the platform events of a topic come
// back: either Query and Map, or Outbox.
type RowsConfig struct {
	Topic salesforce.Topic
	// Query selects the rows of a span.
	Query salesforce.SpanQuery
	// Map is a jq program that turns a row into events: each of its results is an
	// object of id, time, data and, where wanted, key, subject and event (the
	// event's API name, needed on a custom channel). No result means that the row is none.
	Map string
	// Outbox is the API name of the outbox object.
	Outbox string
	// Events are the platform events that a custom channel carries; the outbox is
	// asked for those. A topic of one event needs none.
	Events []string
	// KeyField is as in eventbus.Config: where the data has it, it is the key.
	KeyField string
	// BulkOver, BatchSize, PageRows and Budget are as in Config.
	BulkOver, BatchSize, PageRows int
	Budget                        Budget
	// Margin is how long after the end of the hole rows are still read, because a row
	// and its event are not of exactly one time; default 5 min. What the stream has of them
	// has the same ids.
	Margin time.Duration
	// Limit bounds one run of Map; default 1 s.
	Limit time.Duration
}

// WithDefaults returns a copy with unset fields set.
func (c RowsConfig) WithDefaults() RowsConfig {
	if c.Margin == 0 {
		c.Margin = 5 * time.Minute
	}
	if c.Limit == 0 {
		c.Limit = time.Second
	}
	if len(c.Events) == 0 && c.Topic.Kind() == salesforce.PlatformEventTopic {
		c.Events = []string{c.Topic.Name()}
	}
	return c
}

// Validate reports everything that is wrong with the settings.
func (c RowsConfig) Validate() error {
	var errs []error
	switch {
	case c.Topic.IsZero():
		errs = append(errs, errors.New("rows need the topic that they make up for"))
	case c.Outbox != "" && !c.Query.IsZero():
		errs = append(errs, errors.New("rows come from an outbox or from a query, not from both"))
	case c.Outbox == "" && (c.Query.IsZero() || c.Map == ""):
		errs = append(errs, errors.New("rows need a query and a map, or an outbox"))
	case c.Outbox != "" && len(c.Events) == 0:
		errs = append(errs, fmt.Errorf("the outbox needs the events that %s carries", c.Topic))
	}
	if c.Margin < 0 || c.Limit <= 0 {
		errs = append(errs, errors.New("rows: times must be positive"))
	}
	return errors.Join(errs...)
}

// outboxQuery is the statement that reads an outbox.
func outboxQuery(object string, events []string) (salesforce.SpanQuery, error) {
	topics := make([]string, len(events))
	for i, name := range events {
		topics[i] = "'/event/" + name + "'"
	}
	fields := []string{"Id", outboxID, outboxTopic, outboxPayload, outboxKey, "CreatedDate", "CreatedById"}
	return salesforce.ParseSpanQuery("SELECT " + strings.Join(fields, ", ") + " FROM " + object +
		" WHERE CreatedDate >= {from} AND CreatedDate < {until} AND " + outboxTopic + " IN (" + strings.Join(topics, ", ") +
		") ORDER BY CreatedDate, Name")
}

// compileMap compiles a mapping. It sees the row and nothing else.
func compileMap(source string) (*gojq.Code, error) {
	query, err := gojq.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse map: %w", err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, fmt.Errorf("compile map: %w", err)
	}
	return code, nil
}
