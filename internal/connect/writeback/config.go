package writeback

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Operation is what is done to a record.
type Operation string

// The operations.
const (
	Create  Operation = "create"
	Update  Operation = "update"
	Upsert  Operation = "upsert"
	Delete  Operation = "delete"
	Publish Operation = "publish"
)

// Via is the API that platform events are published by.
type Via string

// The ways to publish.
const (
	PubSub Via = "pubsub"
	REST   Via = "rest"
)

// Config says what a route writes. Exactly one of Publish, Object and Allow is set.
type Config struct {
	// Publish is the platform event that every event is published as.
	Publish string
	// Object and Operation are what every event is written to, and how.
	Object    string
	Operation Operation
	// ExternalID is the external Id field that an upsert finds records by; an update or
	// a delete may have one too, in place of the record's Id.
	ExternalID string
	// Allow lists what events may name themselves, as "Account.upsert",
	// "Contact.*" or "Order_Status__e.publish".
	Allow []string
	// IdempotencyField is an external Id field that gets the event's id when a record
	// is created; the create becomes an upsert by it, and repeating it is harmless.
	IdempotencyField string
	// Via is how platform events are published; default PubSub.
	Via Via
	// BulkOver is the number of records in one batch above which they are written by a
	// Bulk job; 0 never. A create without an IdempotencyField never is, because a
	// lost answer would leave a whole job in doubt.
	BulkOver int
	// RetryCodes are Salesforce's codes that are tried again although they are a
	// verdict on the record, such as INVALID_CROSS_REFERENCE_KEY while a parent is on its way.
	RetryCodes []string
	// CallTimeout bounds one request; default 1 min. BulkTimeout bounds a Bulk job;
	// default 10 min.
	CallTimeout, BulkTimeout time.Duration
	// Budget is asked before API requests are made; nil allows all.
	Budget Budget
}

// Budget is the org's API budget.
type Budget interface {
	// Reserve allows n requests or says, with a throttled [event.Error], when to ask again.
	Reserve(ctx context.Context, n int) error
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if c.Via == "" {
		c.Via = PubSub
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = time.Minute
	}
	if c.BulkTimeout == 0 {
		c.BulkTimeout = 10 * time.Minute
	}
	return c
}

var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	ways := 0
	for _, given := range []bool{c.Publish != "", c.Object != "", len(c.Allow) > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		errs = append(errs, errors.New("want one of: a platform event to publish, an object, or a list of what events may name"))
	}
	errs = append(errs, c.validateNames(), c.validateOperation())
	if c.Via != PubSub && c.Via != REST {
		errs = append(errs, fmt.Errorf("via %q: want pubsub or rest", c.Via))
	}
	if c.BulkOver < 0 || c.CallTimeout <= 0 || c.BulkTimeout <= 0 {
		errs = append(errs, errors.New("sizes and timeouts must be positive"))
	}
	for _, a := range c.Allow {
		if _, _, err := parseAllowed(a); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c Config) validateNames() error {
	var errs []error
	for what, name := range map[string]string{
		"publish": c.Publish, "object": c.Object, "external id": c.ExternalID, "idempotency field": c.IdempotencyField,
	} {
		if name != "" && !nameForm.MatchString(name) {
			errs = append(errs, fmt.Errorf("%s %q is no API name", what, name))
		}
	}
	if c.Publish != "" && !isEvent(c.Publish) {
		errs = append(errs, fmt.Errorf("publish %q is no platform event: its name ends in __e", c.Publish))
	}
	if isEvent(c.Object) {
		errs = append(errs, fmt.Errorf("object %q is a platform event: publish it", c.Object))
	}
	return errors.Join(errs...)
}

func (c Config) validateOperation() error {
	switch {
	case c.Object == "":
		if c.Operation != "" || c.ExternalID != "" {
			return errors.New("an operation and an external id belong to an object")
		}
		return nil
	case !slices.Contains([]Operation{Create, Update, Upsert, Delete}, c.Operation):
		return fmt.Errorf("operation %q: want create, update, upsert or delete", c.Operation)
	case c.Operation == Upsert && c.ExternalID == "":
		return errors.New("an upsert needs an external id field")
	case c.Operation == Create && c.ExternalID != "":
		return errors.New("a create has no external id field to find a record by")
	case c.IdempotencyField != "" && c.Operation != Create:
		return errors.New("an idempotency field is for creating records only")
	}
	return nil
}

func isEvent(name string) bool { return strings.HasSuffix(name, "__e") }

// parseAllowed reads an entry of the allow list; an operation of "*" is empty.
func parseAllowed(text string) (object string, op Operation, err error) {
	object, name, ok := strings.Cut(text, ".")
	op = Operation(name)
	if !ok || !nameForm.MatchString(object) {
		return "", "", fmt.Errorf("allow %q: want a form like Account.upsert, Contact.* or Order_Status__e.publish", text)
	}
	switch op {
	case "*":
		return object, "", nil
	case Create, Update, Upsert, Delete, Publish:
		if isEvent(object) != (op == Publish) {
			return "", "", fmt.Errorf("allow %q: platform events are published, records are created, updated, upserted or deleted", text)
		}
		return object, op, nil
	}
	return "", "", fmt.Errorf("allow %q: no operation is called %q", text, name)
}
