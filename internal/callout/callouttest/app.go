package callouttest

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// App is an application that does as it is told.
type App struct {
	mu    sync.Mutex
	calls []event.Call
	now   int
	most  int
	do    func(ctx context.Context, n int, c event.Call) (event.Reply, event.Outcome)
}

var _ event.Responder = (*App)(nil)

// NewApp returns an application that answers every call, numbered from 1, as do says.
func NewApp(do func(ctx context.Context, n int, c event.Call) (event.Reply, event.Outcome)) *App {
	return &App{do: do}
}

// Respond implements [event.Responder].
func (a *App) Respond(ctx context.Context, c event.Call, _ int) (event.Reply, event.Outcome) {
	a.mu.Lock()
	a.calls = append(a.calls, c)
	n := len(a.calls)
	a.now++
	a.most = max(a.most, a.now)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.now--
		a.mu.Unlock()
	}()
	return a.do(ctx, n, c)
}

// Calls returns what was asked of the application so far.
func (a *App) Calls() []event.Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]event.Call(nil), a.calls...)
}

// Most is the most calls that were in hand at once.
func (a *App) Most() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// Answer is an answer with a status, as [event.Responder] gives it.
func Answer(status int, body string) (event.Reply, event.Outcome) {
	o := event.Outcome{Status: status, Verdict: event.Reject}
	switch {
	case status < 300:
		o.Verdict, o.Happened = event.Delivered, event.HappenedYes
	case status == 502 || status == 503 || status == 504:
		o.Verdict = event.Unavailable
	case status == 429:
		o.Verdict, o.Happened = event.Unavailable, event.HappenedNo
	case status >= 500:
		o.Verdict = event.Retry
	}
	return event.Reply{Status: status, Header: map[string][]string{"Content-Type": {"text/plain"}}, Body: []byte(body)}, o
}

// Refused is an application that is not there.
func Refused() (event.Reply, event.Outcome) {
	return event.Reply{}, event.Outcome{Verdict: event.Unavailable, Happened: event.HappenedNo, Reason: "connect: refused", Hint: "start it"}
}

// Lost is a connection that breaks before an answer.
func Lost() (event.Reply, event.Outcome) {
	return event.Reply{}, event.Outcome{Verdict: event.Retry, Reason: "connection lost before an answer came"}
}

// After answers after a time, or not at all if ctx ends first.
func After(ctx context.Context, d time.Duration, status int, body string) (event.Reply, event.Outcome) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return Answer(status, body)
	case <-ctx.Done():
		return event.Reply{}, event.Outcome{Verdict: event.Retry, Reason: "no answer within the attempt's time limit"}
	}
}
