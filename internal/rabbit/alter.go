package rabbit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Mismatch is a queue or an exchange that exists with other settings than wanted.
type Mismatch struct {
	// What is "queue" or "exchange".
	What, Name  string
	Differences []Difference
}

// Difference is one setting of a queue that is not as wanted.
type Difference struct {
	// Name is that of the argument, such as x-queue-type, or "durable" and the like.
	Name string
	// Has is what exists, Needs what is wanted; "none" where there is none.
	Has, Needs string
}

func (d Difference) String() string {
	return fmt.Sprintf("another %s: it has %s, Sallyport needs %s", d.Name, d.Has, d.Needs)
}

// Error tells all differences.
func (m *Mismatch) Error() string {
	all := make([]string, len(m.Differences))
	for i, d := range m.Differences {
		all[i] = d.String()
	}
	return fmt.Sprintf("the %s exists with %s", m.What, strings.Join(all, "; "))
}

// Differences tells in what an existing queue differs from q; none if it does
// not. One that does not exist is an error. The broker names one difference at a time; each that it names is
// taken over and the rest asked for again, which changes nothing in a queue that exists.
func (l *Link) Differences(ctx context.Context, q Queue) ([]Difference, error) {
	q.Args = withoutNil(q.Args)
	var found []Difference
	for range 2*len(q.Args) + 8 {
		err := l.tryDeclare(ctx, q)
		if err == nil {
			return found, nil
		}
		m := inequivalentOf(err)
		if m == nil {
			return found, explain("compare queue "+q.Name, err)
		}
		d := Difference{Name: m[1], Has: plainValue(m[3]), Needs: plainValue(m[2])}
		if d.Name == "x-queue-type" && d.Has == "none" {
			d.Has = "classic"
		}
		if !slices.ContainsFunc(found, func(o Difference) bool { return o.Name == d.Name }) {
			found = append(found, d)
		}
		if !takeOver(q.Args, m[1], m[3]) {
			return found, nil // no more can be asked: it is no argument, or of a form that is not understood
		}
	}
	return found, nil
}

// tryDeclare declares a queue that exists, on a channel of its own, which a refusal closes.
func (l *Link) tryDeclare(ctx context.Context, q Queue) error {
	ch, err := l.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	// One that was deleted meanwhile must not come back with what it had.
	if _, err := ch.QueueDeclarePassive(q.Name, true, false, false, false, nil); err != nil {
		return err
	}
	_, err = ch.QueueDeclare(q.Name, true, false, false, false, q.Args)
	return err
}

func inequivalentOf(err error) []string {
	e, ok := errors.AsType[*amqp.Error](err)
	if !ok || e.Code != amqp.PreconditionFailed {
		return nil
	}
	return inequivalent.FindStringSubmatch(e.Reason)
}

// integers makes a value of the broker's types of integers. Some arguments are equal
// only if their types are.
var integers = map[string]func(int64) any{
	"long": func(n int64) any { return n }, "signedint": func(n int64) any { return int32(n) }, "short": func(n int64) any { return int16(n) },
	"byte": func(n int64) any { return int8(n) }, "unsignedint": func(n int64) any { return n }, "unsignedbyte": func(n int64) any { return byte(n) },
	"unsignedshort": func(n int64) any { return int32(n) },
}

var typedValue = regexp.MustCompile(`^(?:the value )?'?([^']*)'?(?: of type '([a-z]+)')?$`)

// takeOver makes an argument what the broker said it is, and reports whether that
// could be done.
func takeOver(args map[string]any, name, said string) bool {
	if !strings.HasPrefix(name, "x-") {
		return false
	}
	m := typedValue.FindStringSubmatch(said)
	switch {
	case said == "none":
		if _, there := args[name]; !there {
			return false
		}
		delete(args, name)
		return true
	case m == nil:
		return false
	case m[2] == "bool":
		args[name] = m[1] == "true"
	case integers[m[2]] != nil:
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return false
		}
		args[name] = integers[m[2]](n)
	default:
		args[name] = m[1]
	}
	return true
}

func withoutNil(args map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range args {
		if v != nil {
			out[k] = v
		}
	}
	return out
}

// Unbind ends a binding to an exchange; one that is not there is no error.
func (l *Link) Unbind(ctx context.Context, queue, exchange, key string) error {
	ch, err := l.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	err = ch.QueueUnbind(queue, key, exchange, nil)
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.NotFound {
		return nil
	}
	return explain("unbind queue "+queue, err)
}

// Delete removes a queue and all that is in it. Quorum queues know no deletion
// that minds messages or consumers, so whoever calls has seen to both.
func (l *Link) Delete(ctx context.Context, queue string) error {
	ch, err := l.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	_, err = ch.QueueDelete(queue, false, false, false)
	return explain("delete queue "+queue, err)
}
