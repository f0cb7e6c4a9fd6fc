package callout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func says(status int, body string) behaviour {
	return func(context.Context, int, event.Call) (event.Reply, event.Outcome) {
		return callouttest.Answer(status, body)
	}
}

// inTurn does one thing after another, the last for ever.
func inTurn(steps ...func() (event.Reply, event.Outcome)) behaviour {
	return func(_ context.Context, n int, _ event.Call) (event.Reply, event.Outcome) {
		return steps[min(n, len(steps))-1]()
	}
}

func answer(status int, body string) func() (event.Reply, event.Outcome) {
	return func() (event.Reply, event.Outcome) { return callouttest.Answer(status, body) }
}

func after(d time.Duration) behaviour {
	return func(ctx context.Context, _ int, _ event.Call) (event.Reply, event.Outcome) {
		return callouttest.After(ctx, d, 200, "late")
	}
}

func TestRelay_PassesTheRequestOnAndTheAnswerBack(t *testing.T) {
	t.Parallel()
	r := relay(t, callout.RelayConfig{}, says(418, "short and stout"))
	req := post("k-1", `{"a":1}`)
	req.Path, req.Query, req.Header = "/kettle", "x=1", map[string][]string{"Accept": {"text/plain"}}
	req.OrgID, req.OrderKey, req.TraceParent = "00D000000000001AAA", "001000000000001AAA", "00-1-2-01"
	a := r.answered(req, 418, "short and stout")
	if a.Header["Content-Type"][0] != "text/plain" || a.Ours {
		t.Errorf("answer %+v", a)
	}
	c := r.app.Calls()[0]
	if c.Method != "POST" || c.Path != "/kettle" || c.Query != "x=1" || c.Header["Accept"][0] != "text/plain" {
		t.Errorf("call %+v", c)
	}
	e := c.Event
	if e.ID != "k-1" || e.Route != "quote" || e.Source != "salesforce/00D000000000001AAA/quote" || e.Type != "com.salesforce.callout.quote" ||
		e.Key != "001000000000001AAA" || e.TraceParent != "00-1-2-01" || string(e.Data) != `{"a":1}` {
		t.Errorf("event %+v", e)
	}
}

func TestRelay_RepeatsOnlyWhatDoesNoHarm(t *testing.T) {
	t.Parallel()
	unknown := post("", `{}`)
	keyed := post("k", `{}`)
	for name, c := range map[string]struct {
		req   callout.Request
		first func() (event.Reply, event.Outcome)
		tries int
	}{
		"lost without a key":          {unknown, callouttest.Lost, 1},
		"lost with a key":             {keyed, callouttest.Lost, 2},
		"lost GET":                    {get(), callouttest.Lost, 2},
		"refused without a key":       {unknown, callouttest.Refused, 2},
		"503 without a key":           {unknown, answer(503, ""), 1},
		"503 with a key":              {keyed, answer(503, ""), 2},
		"429 says it has not":         {unknown, answer(429, ""), 2},
		"500 is an answer":            {keyed, answer(500, ""), 1},
		"404 is an answer":            {get(), answer(404, ""), 1},
		"an answer is never repeated": {keyed, answer(200, "ok"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := relay(t, callout.RelayConfig{}, inTurn(c.first, answer(200, "ok")))
				c.req.Received = time.Now()
				_, _ = r.Do(t.Context(), c.req)
				r.asked(c.tries)
			})
		})
	}
}

func TestRelay_GivesUpTryingAndSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{Tries: 3, Failures: -1}, inTurn(callouttest.Refused))
		if p := r.refused(post("", `{}`), 502, callout.CodeAppDown); p.Happened != event.HappenedNo || !p.Retry {
			t.Errorf("problem %+v", p)
		}
		r.asked(3)
		r = relay(t, callout.RelayConfig{}, inTurn(callouttest.Lost))
		if p := r.refused(post("", `{}`), 502, callout.CodeAppLost); p.Happened != event.HappenedUnknown {
			t.Errorf("problem %+v", p)
		}
		r = relay(t, callout.RelayConfig{Tries: 2, Failures: -1}, says(503, "closed for lunch"))
		r.answered(get(), 503, "closed for lunch") // its own words, after both tries
		r.asked(2)
	})
}

// The application answers in 25 s, 40 s, 119 s, never: for Apex, behind
// Heroku's router, and for a caller that says how long it waits.
func TestRelay_NeverWorksPastTheMomentNobodyListens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes, says, router time.Duration
		answered            bool
		ends                time.Duration
	}{
		"25 s":                     {takes: 25 * time.Second, answered: true, ends: 25 * time.Second},
		"119 s":                    {takes: 119 * time.Second, answered: true, ends: 119 * time.Second},
		"never":                    {takes: time.Hour, ends: 119750 * time.Millisecond},
		"25 s behind a router":     {takes: 25 * time.Second, router: 30 * time.Second, answered: true, ends: 25 * time.Second},
		"40 s behind a router":     {takes: 40 * time.Second, router: 30 * time.Second, ends: 29750 * time.Millisecond},
		"25 s, Apex's own default": {takes: 25 * time.Second, says: 10 * time.Second, ends: 9750 * time.Millisecond},
		"an impatient caller":      {takes: 2 * time.Second, says: time.Second, ends: 900 * time.Millisecond},
		"longer than Apex can":     {takes: time.Hour, says: time.Hour, ends: 119750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var cut time.Time
				r := relay(t, callout.RelayConfig{RouterTimeout: c.router}, func(ctx context.Context, _ int, _ event.Call) (event.Reply, event.Outcome) {
					reply, o := callouttest.After(ctx, c.takes, 200, "late")
					cut = time.Now()
					return reply, o
				})
				began := time.Now()
				req := get()
				req.Patience = c.says
				if c.answered {
					r.answered(req, 200, "late")
				} else if p := r.refused(req, 504, callout.CodeAppSlow); p.Happened != event.HappenedUnknown || !p.Retry {
					t.Errorf("problem %+v", p)
				}
				if took := time.Since(began); took != c.ends || cut.Sub(began) != c.ends {
					t.Errorf("took %s, the application was let go after %s; want %s", took, cut.Sub(began), c.ends)
				}
			})
		})
	}
}

func TestRelay_LetsGoWhenTheCallerHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{}, after(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(3*time.Second, cancel)
		began := time.Now()
		_, p := r.Do(ctx, post("k", `{}`))
		if p == nil || p.Code != callout.CodeDisconnected || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", p, time.Since(began))
		}
		r.asked(1)
	})
}

func TestRelay_OneTryIsBoundedAndTheNextHasTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{TryTimeout: 5 * time.Second}, func(ctx context.Context, n int, _ event.Call) (event.Reply, event.Outcome) {
			if n == 1 {
				return callouttest.After(ctx, time.Hour, 200, "")
			}
			return callouttest.Answer(200, "second")
		})
		r.answered(get(), 200, "second")
		r.asked(2)
		r = relay(t, callout.RelayConfig{TryTimeout: 5 * time.Second}, after(time.Hour))
		began := time.Now()
		r.refused(post("", `{}`), 504, callout.CodeAppSlow)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
		r.asked(1)
	})
}

func TestRelay_HonoursAWaitOnlyIfItFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slowdown := func(after time.Duration) func() (event.Reply, event.Outcome) {
			return func() (event.Reply, event.Outcome) {
				reply, o := callouttest.Answer(429, "later")
				o.After = after
				return reply, o
			}
		}
		r := relay(t, callout.RelayConfig{Failures: -1}, inTurn(slowdown(4*time.Second), answer(200, "ok")))
		began := time.Now()
		r.answered(get(), 200, "ok")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("waited %s", took)
		}
		r = relay(t, callout.RelayConfig{Failures: -1}, inTurn(slowdown(4*time.Second), answer(200, "ok")))
		req := get()
		req.Patience = 3 * time.Second
		began = time.Now()
		r.answered(req, 429, "later")
		if took := time.Since(began); took != 0 {
			t.Errorf("kept the caller %s for nothing", took)
		}
	})
}

func TestRelay_AHedgeAnswersForASlowFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slowFirst := func(ctx context.Context, n int, _ event.Call) (event.Reply, event.Outcome) {
			if n == 1 {
				return callouttest.After(ctx, time.Minute, 200, "first")
			}
			return callouttest.After(ctx, time.Second, 200, "second")
		}
		r := relay(t, callout.RelayConfig{Hedge: 2 * time.Second}, slowFirst)
		began := time.Now()
		r.answered(get(), 200, "second")
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		r.asked(2)
		r = relay(t, callout.RelayConfig{Hedge: 2 * time.Second}, slowFirst)
		r.answered(post("", `{}`), 200, "first") // it might have an effect twice
		r.asked(1)
		r = relay(t, callout.RelayConfig{Hedge: 2 * time.Second}, after(time.Second))
		r.answered(get(), 200, "late")
		r.asked(1)
	})
}

func TestRelay_FilterAndTransformWorkAsUnderEveryPattern(t *testing.T) {
	t.Parallel()
	programs := route.Config{Name: "quote", Filter: ".a > 1", Transform: "{b: (.a + 1)}"}
	r := relayOf(t, callout.RelayConfig{}, programs, callouttest.NewKeys(), says(200, "ok"))
	r.answered(post("", `{"a":2}`), 200, "ok")
	if got := string(r.app.Calls()[0].Event.Data); got != `{"b":3}` {
		t.Errorf("the application got %s", got)
	}
	if a := r.answered(post("", `{"a":1}`), 204, ""); !a.Ours {
		t.Errorf("answer %+v", a)
	}
	r.refused(post("", `{"a":"x"}`), 422, callout.CodeUnprocessed)
	r.answered(get(), 200, "ok") // has no body that a program could look at
	r.asked(2)
}

// failOn answers 500 to one payload.
func failOn(data string) behaviour {
	return func(_ context.Context, _ int, c event.Call) (event.Reply, event.Outcome) {
		if string(c.Event.Data) == data {
			return callouttest.Answer(500, "")
		}
		return callouttest.Answer(200, "")
	}
}
