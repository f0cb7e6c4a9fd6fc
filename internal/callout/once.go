package callout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// flights are the keyed requests that this process has in hand, so that a
// duplicate waits for the first without asking the store.
type flights struct {
	mu   sync.Mutex // guards open
	open map[string]*flight
}

type flight struct {
	digest []byte
	landed chan struct{} // closed when answer is set, or is known not to come
	answer *Answer
}

func (f *flights) init() { f.open = map[string]*flight{} }

// join returns the flight of a key, and whether it is the caller's own to land.
func (f *flights) join(key string, digest []byte) (fl *flight, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.open[key]; ok {
		return fl, false
	}
	fl = &flight{digest: digest, landed: make(chan struct{})}
	f.open[key] = fl
	return fl, true
}

func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	delete(f.open, key)
	f.mu.Unlock()
	close(fl.landed)
}

// once gives a keyed request the answer of its first.
func (r *Relay) once(ctx context.Context, req *Request, send func() (Answer, *Problem)) (Answer, *Problem) {
	digest := req.digest()
	for {
		fl, first := r.flights.join(req.Key, digest)
		if first {
			answer, problem := r.first(ctx, req, digest, send)
			if problem == nil {
				fl.answer = &answer
			}
			r.flights.land(req.Key, fl)
			return answer, problem
		}
		if !bytes.Equal(fl.digest, digest) {
			return Answer{}, keyReused()
		}
		select {
		case <-fl.landed:
		case <-ctx.Done():
			return Answer{}, keyInUse()
		}
		if fl.answer != nil {
			answer := *fl.answer
			answer.Replayed = true
			return answer, nil
		}
		// The first got no answer worth keeping: somebody has to be the first again.
	}
}

// storePatience bounds what is written after the caller's time is over.
const storePatience = 5 * time.Second

// first asks the memory of keys and, if nobody else has the key, sends the request.
func (r *Relay) first(ctx context.Context, req *Request, digest []byte, send func() (Answer, *Problem)) (Answer, *Problem) {
	kept, problem := r.begin(ctx, req.Key, digest)
	if kept != nil || problem != nil {
		if kept == nil {
			kept = &Answer{}
		}
		return *kept, problem
	}
	answer, problem := send()
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
	defer cancel()
	var err error
	if problem == nil && worthKeeping(answer.Status) {
		err = r.finish(detached, req.Key, &answer)
	} else {
		err = r.keys.Abandon(detached, r.route.Name(), req.Key)
	}
	if err != nil {
		// The application has answered, and its answer stands. Until the claim runs
		// out a repetition is told that the key is in use.
		r.log.Warn("answer not kept for its idempotency key", "err", err)
	}
	return answer, problem
}

// worthKeeping reports whether an answer is final: a repetition gets it again.
// After the others a repetition is meant to reach the application.
func worthKeeping(status int) bool {
	return status < 500 && status != 408 && status != 425 && status != 429
}

// begin claims a key, waiting while another process has it. It returns the
// answer that was kept, if there is one.
func (r *Relay) begin(ctx context.Context, key string, digest []byte) (*Answer, *Problem) {
	wait := 50 * time.Millisecond
	for {
		deadline, _ := ctx.Deadline()
		state, err := r.keys.Begin(ctx, r.route.Name(), key, digest, time.Until(deadline)+storePatience)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, keyInUse()
		case err != nil:
			return nil, keyStoreProblem(err)
		case state.Fresh:
			return nil, nil
		case state.Conflict:
			return nil, keyReused()
		case !state.InProgress:
			return decodeAnswer(state.Answer)
		}
		if !sleep(ctx, wait) {
			return nil, keyInUse()
		}
		wait = min(2*wait, time.Second)
	}
}

// keptAnswer is the form in which an answer is stored.
type keptAnswer struct {
	Status int                 `json:"status"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`
}

func (r *Relay) finish(ctx context.Context, key string, a *Answer) error {
	text, err := json.Marshal(keptAnswer{a.Status, a.Header, a.Body})
	if err != nil {
		return err
	}
	return r.keys.Finish(ctx, r.route.Name(), key, text, r.cfg.Remember)
}

func decodeAnswer(text []byte) (*Answer, *Problem) {
	var kept keptAnswer
	if err := json.Unmarshal(text, &kept); err != nil || kept.Status < 100 {
		return nil, &Problem{
			Status: 500, Code: CodeInternal, What: "the answer kept for this Idempotency-Key cannot be read", Happened: event.HappenedYes,
			Next: "ask the application what became of the request", Err: err,
		}
	}
	return &Answer{Status: kept.Status, Header: kept.Header, Body: kept.Body, Replayed: true}, nil
}

func keyReused() *Problem {
	return &Problem{
		Status: 422, Code: CodeKeyReused, What: "the Idempotency-Key was used for a request with other content", Happened: event.HappenedNo,
		Next: "use a new key for a new request, and repeat a request without any change",
	}
}

func keyInUse() *Problem {
	return &Problem{
		Status: 409, Code: CodeKeyInUse, What: "a request with this Idempotency-Key is still being worked on", Happened: event.HappenedUnknown,
		Retry: true, After: time.Second, Next: "repeat the same request later to get its answer",
	}
}

// keyStoreProblem refuses a request whose key cannot be looked up: sending it
// could do twice what the key is there to do once.
func keyStoreProblem(err error) *Problem {
	p := &Problem{
		Status: 503, Code: CodeStore, What: "the memory of idempotency keys does not answer", Happened: event.HappenedNo, Retry: true, After: time.Second,
		Next: "nothing was sent: try again with the same key", Err: err,
	}
	if e, ok := errors.AsType[*event.Error](err); ok {
		p.After = max(p.After, e.After)
	}
	return p
}
