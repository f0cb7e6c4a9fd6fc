package apex

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// checker looks at a script before it runs.
type checker struct {
	script   *Script
	steps    int
	problems []error
}

func (s *Script) check() error {
	s.Context = cmp.Or(s.Context, Sync)
	s.Name = cmp.Or(s.Name, "Anonymous")
	c := &checker{script: s}
	switch s.Context {
	case Sync, Queueable, Future, Scheduled:
		if s.Batch != nil {
			c.problem(0, "only a script in the context batch has a batch")
		}
	case Batch:
		if s.Batch == nil || len(s.Steps) > 0 {
			c.problem(0, "a script in the context batch has a batch and no steps")
		}
	default:
		c.problem(0, "context %q: want sync, queueable, batch, future or scheduled", s.Context)
	}
	if len(s.Finalizer) > 0 && s.Context != Queueable {
		c.problem(0, "only a queueable has a finalizer")
	}
	c.class(&Class{Steps: s.Steps, Finalizer: s.Finalizer, Batch: s.Batch})
	for _, name := range slices.Sorted(maps.Keys(s.Classes)) {
		class := s.Classes[name]
		if class == nil {
			c.problem(0, "class %s is empty", name)
			continue
		}
		if (class.Batch == nil) == (len(class.Steps) == 0) {
			c.problem(0, "class %s: want steps or a batch", name)
		}
		c.class(class)
	}
	return errors.Join(c.problems...)
}

func (c *checker) problem(line int, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if line > 0 {
		err = fmt.Errorf("line %d: %w", line, err)
	}
	if len(c.problems) < 20 {
		c.problems = append(c.problems, err)
	}
}

func (c *checker) class(class *Class) {
	c.list(class.Steps, 0)
	c.list(class.Finalizer, 0)
	if b := class.Batch; b != nil {
		if (b.Query == "") == (b.Records == nil) {
			c.problem(0, "a batch has either a query or records")
		}
		if b.Scope < 0 || b.Scope > maxScope {
			c.problem(0, "scope %d: want 1 to %d", b.Scope, maxScope)
		}
		c.list(b.Execute, 0)
		c.list(b.Finish, 0)
	}
}

func (c *checker) list(steps []Step, depth int) {
	if depth > maxNested {
		c.problem(steps[0].Line, "steps are nested deeper than %d", maxNested)
		return
	}
	for i := range steps {
		if c.steps++; c.steps == maxSteps {
			c.problem(steps[i].Line, "more than %d steps", maxSteps)
		}
		if c.steps >= maxSteps {
			return
		}
		c.step(&steps[i], depth)
	}
}

func (c *checker) step(s *Step, depth int) {
	key, err := s.action()
	if err != nil {
		c.problem(0, "%w", err)
		return
	}
	if (s.Then != nil || s.Else != nil) && s.If == nil || (s.Catch != nil || s.Finally != nil) && s.Try == nil {
		c.problem(s.Line, "then and else belong to if, catch and finally to try")
	}
	if s.As != "" && !isName(s.As) {
		c.problem(s.Line, "%q is no name for a variable", s.As)
	}
	for name := range s.Set {
		if !isName(name) {
			c.problem(s.Line, "%q is no name for a variable", name)
		}
	}
	for _, inner := range [][]Step{s.Then, s.Else, s.Try, s.Finally} {
		if len(inner) > 0 {
			c.list(inner, depth+1)
		}
	}
	switch {
	case s.Catch != nil && len(s.Catch.Do) > 0:
		c.list(s.Catch.Do, depth+1)
	case s.ForEach != nil:
		c.loop(s, depth)
	case s.Collect != nil:
		c.collect(s)
	case s.Callout != nil:
		c.callout(s)
	case s.Query != nil && s.Query.SOQL == "":
		c.problem(s.Line, "query: want soql")
	case s.Publish != nil && s.Publish.Event == "":
		c.problem(s.Line, "publish: want an event")
	}
	for job, batch := range map[*Job]bool{s.EnqueueJob: false, s.Future: false, s.Schedule: false, s.ExecuteBatch: true} {
		if job != nil {
			c.job(s.Line, key, job, batch, depth)
		}
	}
	if s.CPU != nil && *s.CPU < 0 || s.Wait != nil && *s.Wait < 0 || s.Heap != nil && *s.Heap < 0 {
		c.problem(s.Line, "%s cannot be negative", key)
	}
}

func (c *checker) loop(s *Step, depth int) {
	f := s.ForEach
	if (f.In == nil) == (f.To == nil) || f.In == nil && f.Size > 0 || f.In != nil && f.From != nil || f.Size < 0 {
		c.problem(s.Line, "forEach: want in, with or without size, or to, with or without from")
	}
	if f.Var != "" && !isName(f.Var) {
		c.problem(s.Line, "%q is no name for a variable", f.Var)
	}
	if len(f.Do) > 0 {
		c.list(f.Do, depth+1)
	}
}

func (c *checker) collect(s *Step) {
	if s.Collect.In == nil || s.Collect.Value == nil || s.As == "" {
		c.problem(s.Line, "collect: want in and value, and as beside it")
	}
	if s.Collect.Var != "" && !isName(s.Collect.Var) {
		c.problem(s.Line, "%q is no name for a variable", s.Collect.Var)
	}
}

func (c *checker) callout(s *Step) {
	call := s.Callout
	if call.Endpoint == "" {
		c.problem(s.Line, "callout: want an endpoint")
	}
	call.Method = cmp.Or(call.Method, "GET")
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"}, call.Method) {
		c.problem(s.Line, "callout: method %q is none of Apex", call.Method)
	}
	if d := time.Duration(call.Timeout); d != 0 && (d < time.Millisecond || d > maxTimeout) {
		c.problem(s.Line, "callout: timeout %v: want 1 to 120000 milliseconds", d)
	}
}

func (c *checker) job(line int, key string, j *Job, batch bool, depth int) {
	class, known := c.script.Classes[j.Class]
	switch {
	case (j.Class == "") == (len(j.Steps) == 0), batch && j.Class == "":
		c.problem(line, "%s: want a class, or steps unless it is a batch", key)
	case j.Class != "" && !known:
		c.problem(line, "%s: no class %q", key, j.Class)
	case j.Class != "" && class != nil && (class.Batch != nil) != batch:
		c.problem(line, "%s: class %s is of another kind", key, j.Class)
	}
	if j.Delay < 0 || key == "enqueueJob" && time.Duration(j.Delay) > maxDelay {
		c.problem(line, "%s: delay %v: want 0 to 10 minutes", key, time.Duration(j.Delay))
	}
	if j.Scope < 0 || j.Scope > maxScope {
		c.problem(line, "%s: scope %d: want 1 to %d", key, j.Scope, maxScope)
	}
	if len(j.Finalizer) > 0 && key != "enqueueJob" {
		c.problem(line, "%s: only a queueable has a finalizer", key)
	}
	for _, inner := range [][]Step{j.Steps, j.Finalizer} {
		if len(inner) > 0 {
			c.list(inner, depth+1)
		}
	}
}
