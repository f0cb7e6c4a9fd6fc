package callout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func TestOnce_SameKeySameAnswerForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := relay(t, callout.RelayConfig{}, func(context.Context, int, event.Call) (event.Reply, event.Outcome) {
			n++
			return callouttest.Answer(201, string(rune('0'+n)))
		})
		if first := r.answered(post("k", `{}`), 201, "1"); first.Replayed {
			t.Error("the first is no repetition")
		}
		time.Sleep(24*time.Hour - time.Second) // in the bubble's time
		again := r.answered(post("k", `{}`), 201, "1")
		if !again.Replayed || again.Header["Content-Type"][0] != "text/plain" {
			t.Errorf("answer %+v", again)
		}
		r.asked(1)
		r.answered(post("other", `{}`), 201, "2")
		time.Sleep(2 * time.Second)
		r.answered(post("k", `{}`), 201, "3")
	})
}

func TestOnce_AnotherRequestUnderTheKeyIsAConflict(t *testing.T) {
	t.Parallel()
	r := relay(t, callout.RelayConfig{}, says(200, "ok"))
	r.answered(post("k", `{"a":1}`), 200, "ok")
	r.refused(post("k", `{"a":2}`), 422, callout.CodeKeyReused)
	elsewhere := post("k", `{"a":1}`)
	elsewhere.Path = "/other"
	r.refused(elsewhere, 422, callout.CodeKeyReused)
	r.asked(1)
}

func TestOnce_DuplicatesWaitForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{}, after(5*time.Second))
		var wg sync.WaitGroup
		replayed := make(chan bool, 20)
		for range cap(replayed) {
			wg.Go(func() {
				a, p := r.Do(t.Context(), post("k", `{}`))
				if p != nil || string(a.Body) != "late" {
					t.Errorf("answer %+v, %v", a, p)
				}
				replayed <- a.Replayed
			})
		}
		synctest.Wait()
		impatient := post("k", `{}`)
		impatient.Patience = time.Second
		r.refused(impatient, 409, callout.CodeKeyInUse)
		r.refused(post("k", `{"other":true}`), 422, callout.CodeKeyReused)
		wg.Wait()
		close(replayed)
		firsts := 0
		for again := range replayed {
			if !again {
				firsts++
			}
		}
		if firsts != 1 {
			t.Errorf("%d callers were the first", firsts)
		}
		r.asked(1)
	})
}

func TestOnce_WhatIsNotFinalMayBeRepeated(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func() (event.Reply, event.Outcome){
		"defect": answer(500, ""), "too many": answer(429, ""), "lost": callouttest.Lost, "not there": callouttest.Refused,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := relay(t, callout.RelayConfig{Tries: 1}, inTurn(first, answer(200, "ok")))
			_, _ = r.Do(t.Context(), post("k", `{}`))
			if a := r.answered(post("k", `{}`), 200, "ok"); a.Replayed {
				t.Error("nothing was there to replay")
			}
			r.asked(2)
		})
	}
	for _, status := range []int{200, 302, 400, 404, 409, 422} {
		r := relay(t, callout.RelayConfig{Tries: 1}, says(status, "x"))
		r.answered(post("k", `{}`), status, "x")
		r.answered(post("k", `{}`), status, "x")
		r.asked(1)
	}
}

// A process that was killed with a key in hand leaves it claimed: others wait
// until that request must be over, then one of them is the first.
func TestOnce_AKilledHolderLetsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := callouttest.NewKeys()
		programs := route.Config{Name: "quote"}
		never := relayOf(t, callout.RelayConfig{}, programs, keys, after(time.Hour))
		held := post("k", `{}`)
		held.Patience = 10 * time.Second
		keys.Fail(nil)
		done := make(chan struct{})
		go func() { // the process that dies: what it does after its claim never reaches the keys
			defer close(done)
			_, _ = never.Do(t.Context(), held)
		}()
		synctest.Wait()
		keys.Fail(errors.New("killed"))
		<-done
		keys.Fail(nil)
		r := relayOf(t, callout.RelayConfig{}, programs, keys, says(200, "ok"))
		impatient := post("k", `{}`)
		impatient.Patience = time.Second
		r.refused(impatient, 409, callout.CodeKeyInUse)
		r.asked(0)
		if a := r.answered(post("k", `{}`), 200, "ok"); a.Replayed {
			t.Error("nobody had an answer")
		}
		r.asked(1)
	})
}

func TestOnce_SendsNothingWhenKeysCannotBeAsked(t *testing.T) {
	t.Parallel()
	r := relay(t, callout.RelayConfig{}, says(200, "ok"))
	r.keys.Fail(&event.Error{Op: "begin key", Healing: event.Throttled, After: 7 * time.Second})
	p := r.refused(post("k", `{}`), 503, callout.CodeStore)
	if p.Happened != event.HappenedNo || p.After != 7*time.Second {
		t.Errorf("problem %+v", p)
	}
	r.asked(0)
	r.answered(post("", `{}`), 200, "ok") // needs no keys
	r.answered(get(), 200, "ok")
}
