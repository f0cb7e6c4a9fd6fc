package pubsubapi

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
)

// feed is one subscriber's stream: a position on a topic, and credit. The call's
// goroutine owns it.
//
// States: no topic yet (waiting for the first request) -> with credit (delivering,
// or waiting for events with keep-alives) <-> without credit (waiting for a
// request, for a limited time) -> ended.
type feed struct {
	server *Server
	stream grpc.ServerStream
	ctx    context.Context // the stream's own
	call   *call

	topic    string // empty until the first request
	position bus.Position
	credit   int

	buffer   []*bus.Event
	changed  <-chan struct{} // closed when the topic gets an event; nil without credit
	revoked  <-chan struct{}
	lastSent time.Time
	timer    *clock.Timer
	faults   streamFaults
}

// errEnded ends a stream in good order.
var errEnded = errors.New("stream ended")

func newFeed(s *Server, stream grpc.ServerStream) *feed {
	ctx := stream.Context()
	c := callOf(ctx)
	return &feed{
		server: s, stream: stream, ctx: ctx, call: c, revoked: s.cfg.Sessions.Revoked(c.token),
		lastSent: s.cfg.Clock.Now(), timer: s.cfg.Clock.NewTimer(s.cfg.CreditTimeout), buffer: make([]*bus.Event, 0, maxCredit),
	}
}

// start fixes the topic and the position to deliver after.
func (f *feed) start(topic string, after bus.Position) {
	f.topic, f.position = topic, after
	f.server.streams.Add(1)
	f.server.subscribed.add(topic, 1)
}

func (f *feed) end() {
	f.timer.Stop()
	if f.topic != "" {
		f.server.streams.Add(-1)
		f.server.subscribed.add(f.topic, -1)
	}
}

// run carries a stream to its end. take handles a request of the client.
func run[T any](f *feed, requests <-chan received[T], take func(*T) error) error {
	handle := func(r received[T]) error {
		if r.err != nil {
			return errors.Join(errEnded, endOf(r.err))
		}
		return take(r.message)
	}
	for {
		sent, err := f.deliver()
		if err == nil && sent {
			select { // a request that waits adds its credit before the next batch
			case r := <-requests:
				err = handle(r)
			default:
			}
		} else if err == nil {
			err = wait(f, requests, handle)
		}
		if err != nil {
			return endResult(err)
		}
	}
}

// wait blocks until there is something to do, and does it.
func wait[T any](f *feed, requests <-chan received[T], handle func(received[T]) error) error {
	faults := f.server.cfg.Faults.Changed()
	if f.faults.wouldStrike(f) {
		return nil // switched on between the last look and Changed
	}
	f.timer.Reset(f.lastSent.Add(f.allowance()).Sub(f.server.cfg.Clock.Now()))
	select {
	case r := <-requests:
		return handle(r)
	case <-f.changed:
		return nil
	case <-faults:
		return nil
	case <-f.timer.C:
		return f.timeUp()
	case <-f.revoked:
		return f.call.unauthenticated()
	case <-f.ctx.Done():
		return errEnded
	}
}

// allowance is how long the stream may send nothing in its present state.
func (f *feed) allowance() time.Duration {
	if f.topic == "" || f.credit == 0 {
		return f.server.cfg.CreditTimeout
	}
	return f.server.cfg.Keepalive
}

// deliver sends one batch if there are events and credit for it.
func (f *feed) deliver() (sent bool, err error) {
	f.changed = nil
	if f.topic == "" {
		return false, nil
	}
	if err := f.faults.strike(f); err != nil || f.credit == 0 {
		return false, err
	}
	limit := f.faults.limit(f.credit)
	events, changed, err := f.server.cfg.Bus.Read(f.buffer[:0], f.topic, f.position, limit, maxResponse)
	if err != nil {
		return false, f.call.noTopic(f.topic)
	}
	if len(events) == 0 {
		f.changed = changed
		return false, nil
	}
	if err := f.server.cfg.Bus.Delivered(len(events)); err != nil {
		return false, f.call.fail(codes.ResourceExhausted, codeDeliveryLimit, "You have exceeded the event delivery limit for your org.")
	}
	f.position = events[len(events)-1].Position
	f.credit -= len(events)
	f.faults.count(len(events))
	f.server.delivered.Add(int64(len(events)))
	return true, f.send(&frame{events: events, latest: f.position.ReplayID()})
}

// send fills in what every response has and sends it.
func (f *feed) send(r *frame) error {
	if err := f.faults.slow(f); err != nil {
		return err
	}
	r.rpcID, r.pending = f.call.rpcID, f.credit
	f.lastSent = f.server.cfg.Clock.Now()
	return f.stream.SendMsg(r)
}

// timeUp is called when nothing was sent for the time that the stream's state
// allows: with credit a keep-alive is due, without it the end. The documentation
// says that the stream is closed then, not with which status.
func (f *feed) timeUp() error {
	if f.topic == "" || f.credit == 0 {
		return errEnded
	}
	fresh, idle, err := f.server.cfg.Bus.Idle(f.topic, f.position)
	if err != nil {
		f.server.cfg.Logger.Error("fail a keep-alive", "topic", f.topic, "error", err)
		return f.call.fail(codes.Internal, codeUnavailable, "The service is unavailable. Try again later.")
	}
	if !idle {
		return nil // events arrived in this moment; they are the sign of life
	}
	return f.send(&frame{latest: fresh.ReplayID()})
}

// endResult turns an end in good order into success.
func endResult(err error) error {
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}
