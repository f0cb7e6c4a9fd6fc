package apex

import (
	"cmp"
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
)

func (t *transaction) forEach(ctx context.Context, f *ForEach) error {
	variable := cmp.Or(f.Var, "item")
	if f.In == nil {
		return t.count(ctx, f, variable)
	}
	v, err := t.vars.resolve(f.In)
	if err != nil {
		return err
	}
	list, err := asList(v)
	if err != nil {
		return err
	}
	defer t.keep(variable)()
	for i := 0; i < len(list); i += max(1, f.Size) {
		t.vars[variable] = list[i]
		if f.Size > 0 {
			t.vars[variable] = list[i:min(i+f.Size, len(list))]
		}
		if err := t.run(ctx, f.Do, "do"); err != nil {
			return err
		}
	}
	return nil
}

// collect makes a list of another.
func (t *transaction) collect(c *Collect) ([]any, error) {
	v, err := t.vars.resolve(c.In)
	if err != nil {
		return nil, err
	}
	list, err := asList(v)
	if err != nil {
		return nil, err
	}
	variable := cmp.Or(c.Var, "item")
	defer t.keep(variable)()
	made := make([]any, len(list))
	for i, item := range list {
		t.vars[variable] = item
		if err := t.spend(stepCPU); err != nil {
			return nil, err
		}
		if made[i], err = t.vars.resolve(c.Value); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// count loops over numbers.
func (t *transaction) count(ctx context.Context, f *ForEach, variable string) error {
	from, err := t.number(f.From, 0)
	if err != nil {
		return err
	}
	to, err := t.number(f.To, 0)
	if err != nil {
		return err
	}
	defer t.keep(variable)()
	for i := from; i < to; i++ {
		t.vars[variable] = i
		if err := t.spend(stepCPU); err != nil { // an empty loop ends too
			return err
		}
		if err := t.run(ctx, f.Do, "do"); err != nil {
			return err
		}
	}
	return nil
}

// keep returns what gives a variable its value back: loop variables end with the loop.
func (t *transaction) keep(name string) func() {
	before, was := t.vars[name]
	return func() {
		delete(t.vars, name)
		if was {
			t.vars[name] = before
		}
	}
}

func (t *transaction) number(v any, fallback int64) (int64, error) {
	if v == nil {
		return fallback, nil
	}
	resolved, err := t.vars.resolve(v)
	if err != nil {
		return 0, err
	}
	switch n := resolved.(type) {
	case int64:
		return n, nil
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), nil
		}
	}
	return 0, badScript("%s is no whole number", text(resolved))
}

// asList takes a list, or what a query or a DML statement returned.
func asList(v any) ([]any, error) {
	switch v := v.(type) {
	case []any:
		return v, nil
	case map[string]any:
		if list, ok := v["records"].([]any); ok {
			return list, nil
		}
	case nil:
		return nil, throw(nullPointer, "Attempt to de-reference a null object")
	}
	return nil, badScript("%.100s is no list", text(v))
}

func (t *transaction) branch(ctx context.Context, s *Step) error {
	holds, err := t.holds(s.If)
	if err != nil {
		return err
	}
	if holds {
		return t.run(ctx, s.Then, "then")
	}
	return t.run(ctx, s.Else, "else")
}

// try runs steps whose failure a catch block may handle. What the steps did before
// the failure stays done. Neither block runs after what cannot be caught.
func (t *transaction) try(ctx context.Context, s *Step) error {
	err := t.run(ctx, s.Try, "try")
	if e, failed := errors.AsType[*Exception](err); failed {
		if !e.Catchable {
			return err
		}
		if s.Catch != nil && e.matches(s.Catch.Type) {
			err = t.handle(ctx, s.Catch, e)
		}
	}
	if e, failed := errors.AsType[*Exception](err); failed && !e.Catchable {
		return err
	}
	if last := t.run(ctx, s.Finally, "finally"); last != nil {
		return last
	}
	return err
}

func (t *transaction) handle(ctx context.Context, c *Catch, e *Exception) error {
	variable := cmp.Or(c.As, "e")
	defer t.keep(variable)()
	t.vars[variable] = map[string]any{"type": e.Type, "message": e.Message, "line": int64(e.Line)}
	return t.run(ctx, c.Do, "catch")
}

func (t *transaction) throw(th *Throw) error {
	message, err := t.vars.expandText(th.Message)
	if err != nil {
		return err
	}
	return throw(cmp.Or(th.Type, "CustomException"), "%s", message)
}

func (t *transaction) assert(c *Condition) error {
	holds, err := t.holds(c)
	if holds || err != nil {
		return err
	}
	message, err := t.vars.expandText(c.Message)
	if err != nil {
		return err
	}
	if message != "" {
		message = ": " + message
	}
	if c.Equals != nil {
		want, err := t.vars.resolve(*c.Equals)
		if err != nil {
			return err
		}
		got, err := t.vars.resolve(c.That)
		if err != nil {
			return err
		}
		message += ": Expected: " + text(want) + ", Actual: " + text(got)
	}
	e := throw(assertException, "Assertion Failed%s", message)
	e.Catchable = false
	return e
}

// holds evaluates a condition; all that it names must hold.
func (t *transaction) holds(c *Condition) (bool, error) {
	v, err := t.vars.resolve(c.That)
	if err != nil {
		return false, err
	}
	checked, holds := false, true
	for _, test := range []struct {
		with *any
		is   func(a, b any) bool
	}{
		{c.Equals, equal},
		{c.NotEquals, func(a, b any) bool { return !equal(a, b) }},
		{c.Less, func(a, b any) bool { return before(a, b) }},
		{c.Greater, func(a, b any) bool { return before(b, a) }},
		{c.Contains, contains},
	} {
		if test.with == nil {
			continue
		}
		with, err := t.vars.resolve(*test.with)
		if err != nil {
			return false, err
		}
		checked, holds = true, holds && test.is(v, with)
	}
	if c.Empty != nil {
		checked, holds = true, holds && isEmpty(v) == *c.Empty
	}
	if !checked {
		return v == true, nil
	}
	return holds, nil
}

// equal compares numbers by value and text without regard to case, as == does.
func equal(a, b any) bool {
	if x, y, ok := numbers(a, b); ok {
		return x == y
	}
	x, isText := a.(string)
	y, both := b.(string)
	if isText && both {
		return strings.EqualFold(x, y)
	}
	return reflect.DeepEqual(a, b)
}

func before(a, b any) bool {
	if x, y, ok := numbers(a, b); ok {
		return x < y
	}
	x, isText := a.(string)
	y, both := b.(string)
	return isText && both && x < y
}

func numbers(a, b any) (x, y float64, ok bool) {
	x, first := number(a)
	y, second := number(b)
	return x, y, first && second
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func contains(a, b any) bool {
	switch a := a.(type) {
	case string:
		return strings.Contains(a, text(b))
	case []any:
		for _, item := range a {
			if equal(item, b) {
				return true
			}
		}
	}
	return false
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
