package fault

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"
)

const (
	defaultDelay  = Duration(100 * time.Millisecond)
	defaultAnswer = Duration(5 * time.Second)
	defaultSkew   = Duration(10 * time.Minute)
	defaultStuck  = Duration(2 * time.Hour)
	defaultChunk  = 16
	defaultRows   = 200
)

func (f Fault) withDefaults() Fault {
	if f.Delay == 0 {
		switch f.Name {
		case BulkJobStuck:
			f.Delay = defaultStuck
		case SlowAnswer:
			f.Delay = defaultAnswer
		case ClockSkew:
			f.Delay = defaultSkew
		default:
			f.Delay = defaultDelay
		}
	}
	if f.Chunk == 0 {
		f.Chunk = defaultChunk
	}
	if f.Rows == 0 {
		f.Rows = defaultRows
	}
	return f
}

// fixWindow turns In and For into From and Until.
func (f *Fault) fixWindow(now time.Time) {
	if f.In > 0 {
		f.From = now.Add(time.Duration(f.In))
	}
	if f.For > 0 {
		begin := now
		if f.From.After(begin) {
			begin = f.From
		}
		f.Until = begin.Add(time.Duration(f.For))
	}
	f.In, f.For = 0, 0
}

// Validate returns what is wrong with f, nil if nothing.
func (f Fault) Validate() error {
	if !slices.Contains(Names(), f.Name) {
		return fmt.Errorf("unknown fault %q: want one of %v", f.Name, Names())
	}
	if f.Count < 0 || f.After < 0 || f.Chunk < 0 || f.Delay < 0 || f.Rows < 0 || f.In < 0 || f.For < 0 {
		return fmt.Errorf("fault %q: count, after, chunk, rows, delay, in and for cannot be negative", f.Name)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("fault %q: probability %v is not between 0 and 1", f.Name, f.Probability)
	}
	for _, pattern := range []string{f.Match.Endpoint, f.Match.Method, f.Match.Topic, f.Match.Object, f.Match.Operation} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("fault %q: match %q: %w", f.Name, pattern, err)
		}
	}
	return f.validateAnswer()
}

func (f Fault) validateAnswer() error {
	if f.HTTPStatus != 0 && (f.HTTPStatus < http.StatusMultipleChoices || f.HTTPStatus > 599) {
		return fmt.Errorf("fault %q: httpStatus %d is no failure", f.Name, f.HTTPStatus)
	}
	if f.Name == APIError && (f.HTTPStatus == 0 || f.Code == "") {
		return fmt.Errorf("fault %q needs httpStatus and code", f.Name)
	}
	if f.Target == "" {
		return nil
	}
	if u, err := url.Parse(f.Target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("fault %q: target %q is no base URL", f.Name, f.Target)
	}
	return nil
}
