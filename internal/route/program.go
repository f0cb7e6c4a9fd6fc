package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// eventVariable is the name under which programs see the event's attributes.
const eventVariable = "$event"

// program is a compiled jq program. It sees no environment, no files, no
// modules and no further inputs, because none are given to the compiler.
type program struct {
	what   string // "filter" or "transform", for reasons
	source string
	words  words // that may be shown in reasons
	code   *gojq.Code
	limit  time.Duration
	attrs  bool // the program speaks of $event
}

// compile returns nil for an empty source.
func compile(what, source string, limit time.Duration) (*program, error) {
	if strings.TrimSpace(source) == "" {
		return nil, nil
	}
	query, err := gojq.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", what, err)
	}
	code, err := gojq.Compile(query, gojq.WithVariables([]string{eventVariable}))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", what, err)
	}
	return &program{
		what: what, source: source, words: wordsOf(source), code: code, limit: limit,
		attrs: strings.Contains(source, eventVariable),
	}, nil
}

// input is an event as programs see it. The data is decoded at most once.
type input struct {
	event   *event.Event
	decoded bool
	data    any
	err     error
}

func newInput(e *event.Event) *input { return &input{event: e} }

var errNotJSON = errors.New("the data is not JSON")

// value decodes the data; no data is null. Numbers keep their digits, so that an 18-digit
// external Id or an amount is not rounded on its way through.
func (in *input) value() (any, error) {
	if !in.decoded && len(in.event.Data) > 0 {
		in.decoded = true
		dec := json.NewDecoder(bytes.NewReader(in.event.Data))
		dec.UseNumber()
		if err := dec.Decode(&in.data); err != nil {
			in.err = errNotJSON // the decoder's own words may quote the payload
		} else if _, err := dec.Token(); err != io.EOF {
			in.err = errNotJSON
		}
	}
	return in.data, in.err
}

func (in *input) attributes() map[string]any {
	e := in.event
	at := any(nil)
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{
		"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "time": at,
		"key": e.Key, "orgid": e.OrgID, "refilled": e.Refilled,
	}
}

// decide runs a filter.
func (p *program) decide(in *input) (bool, error) {
	v, some, err := p.run(in, false)
	if err != nil {
		return false, err
	}
	return some && v != nil && v != false, nil
}

// run runs the program and returns its first result. With only set, a second
// result is an error.
func (p *program) run(in *input, only bool) (v any, some bool, err error) {
	data, err := in.value()
	if err != nil {
		return nil, false, err
	}
	var attrs any
	if p.attrs {
		attrs = in.attributes()
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.limit)
	defer cancel()
	results := p.code.RunWithContext(ctx, data, attrs)
	if v, some, err = p.next(results); !some || err != nil {
		return nil, false, err
	}
	if only {
		if _, more, err := p.next(results); err != nil {
			return nil, false, err
		} else if more {
			return nil, false, errors.New("it has more than one result; collect them with [ ]")
		}
	}
	return v, true, nil
}

func (p *program) next(results gojq.Iter) (v any, some bool, err error) {
	v, some = results.Next()
	if failure, isError := v.(error); isError {
		var halt *gojq.HaltError
		if errors.As(failure, &halt) && halt.Value() == nil {
			return nil, false, nil // "halt" ends the results
		}
		return nil, false, p.explain(failure)
	}
	return v, some, nil
}

// explain puts a failure into words without the payload.
func (p *program) explain(failure error) error {
	if errors.Is(failure, context.DeadlineExceeded) {
		return fmt.Errorf("it ran longer than %s", p.limit)
	}
	return errors.New(p.words.only(failure.Error()))
}
