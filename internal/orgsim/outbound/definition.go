package outbound

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// Definition is one outbound message and the rule that sends it.
type Definition struct {
	Name     string `yaml:"name" json:"name"`
	Object   string `yaml:"object" json:"object"`
	Endpoint string `yaml:"endpoint" json:"endpoint"`
	// Fields are sent beside the Id, in this order.
	Fields []string `yaml:"fields" json:"fields"`
	// On is created, updated, or both, which is what it is unless given.
	On []string `yaml:"on" json:"on"`
	// Changed sends an update only if one of these fields changed; empty means any.
	Changed []string `yaml:"changed" json:"changed,omitempty"`
	// SendSessionID puts a session of User into the envelope.
	SendSessionID bool   `yaml:"sendSessionId" json:"sendSessionId,omitempty"`
	User          string `yaml:"user" json:"user,omitempty"`
	// DropFailed forgets what expired instead of keeping it in the failed list.
	DropFailed bool        `yaml:"dropFailed" json:"dropFailed,omitempty"`
	TLS        callout.TLS `yaml:"tls" json:"-"`
}

// The words of [Definition.On].
const (
	created = "created"
	updated = "updated"
)

// check completes a definition from the catalog: names in the org's spelling.
func (d *Definition) check(catalog *schema.Catalog) (*schema.Object, error) {
	var problems []error
	if d.Name == "" {
		problems = append(problems, errors.New("it has no name"))
	}
	if u, err := url.Parse(d.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		problems = append(problems, fmt.Errorf("endpoint %q is no http or https address", d.Endpoint))
	}
	if len(d.On) == 0 {
		d.On = []string{created, updated}
	}
	for _, on := range d.On {
		if on != created && on != updated {
			problems = append(problems, fmt.Errorf("on %q: want created or updated", on))
		}
	}
	object, ok := catalog.Object(d.Object)
	if !ok || object.Kind != schema.Record {
		problems = append(problems, fmt.Errorf("no object %q", d.Object))
	} else {
		d.Object = object.Name
		problems = append(problems, spell(object, d.Fields), spell(object, d.Changed))
		d.Fields = slices.DeleteFunc(slices.Clone(d.Fields), func(name string) bool { return name == "Id" })
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("outbound message %s: %w", d.Name, err)
	}
	return object, nil
}

// spell puts names into the org's spelling.
func spell(o *schema.Object, names []string) error {
	for i, name := range names {
		f, ok := o.Field(name)
		if !ok || f.IsCompound() {
			return fmt.Errorf("no field %q that can be sent", name)
		}
		names[i] = f.Name
	}
	return nil
}

// Retry is when a notification that was not acknowledged is sent again.
type Retry struct {
	// First is the wait before the second attempt; each further wait is twice as
	// long, up to Most. A notification older than Expiry is not sent again.
	First, Most, Expiry time.Duration
}

// WithDefaults fills in what is not set: ten seconds, two hours, a day.
func (r Retry) WithDefaults() Retry {
	r.First = cmp.Or(r.First, 10*time.Second)
	r.Most = cmp.Or(r.Most, 2*time.Hour)
	r.Expiry = cmp.Or(r.Expiry, 24*time.Hour)
	return r
}

// after is the wait after the attempt of the number, which counts from 1.
func (r Retry) after(attempt int) time.Duration {
	wait := r.First
	for range attempt - 1 {
		if wait *= 2; wait >= r.Most {
			return r.Most
		}
	}
	return min(wait, r.Most)
}
