package pubsubapi

import (
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// streamFaultNames are the faults that strike an open stream.
var streamFaultNames = [...]fault.Name{fault.Unavailable, fault.RevokeToken, fault.ResetMidStream, fault.SilentStream}

// streamFaults are the faults that have been taken for a stream and strike when
// their number of events has gone out.
type streamFaults struct {
	armed [len(streamFaultNames)]*armedFault
}

type armedFault struct {
	fault.Fault
	left int // events still to go out
}

// arm takes what the board has for this stream.
func (s *streamFaults) arm(f *feed) {
	point := f.point()
	for i, name := range streamFaultNames {
		if s.armed[i] != nil {
			continue
		}
		if taken, ok := f.server.cfg.Faults.Take(name, point); ok {
			s.armed[i] = &armedFault{Fault: taken, left: taken.After}
		}
	}
}

func (f *feed) point() fault.Point {
	p := f.call.point(f.topic)
	p.Stream = true
	return p
}

// wouldStrike arms and reports whether a fault is due.
func (s *streamFaults) wouldStrike(f *feed) bool {
	if f.topic == "" {
		return false
	}
	s.arm(f)
	for _, a := range s.armed {
		if a != nil && a.left == 0 {
			return true
		}
	}
	return false
}

// strike applies the faults that are due, and returns how the stream ends if one
// of them ends it.
func (s *streamFaults) strike(f *feed) error {
	s.arm(f)
	for _, a := range s.armed {
		if a != nil && a.left == 0 {
			return s.apply(f, a)
		}
	}
	return nil
}

func (s *streamFaults) apply(f *feed, a *armedFault) error {
	switch a.Name {
	case fault.Unavailable:
		return f.call.unavailable()
	case fault.RevokeToken:
		f.server.cfg.Sessions.Revoke(f.call.token)
		return f.call.unauthenticated()
	case fault.ResetMidStream:
		if !a.Status {
			f.server.conns.cut(f.ctx)
		}
		return f.call.fail(codes.Unavailable, "", "RST_STREAM closed stream.")
	default: // silent: open until the client gives up
		<-f.ctx.Done()
		return errEnded
	}
}

// limit cuts a batch where the next fault is due.
func (s *streamFaults) limit(n int) int {
	for _, a := range s.armed {
		if a != nil {
			n = min(n, a.left)
		}
	}
	return n
}

// count notes that n events go out.
func (s *streamFaults) count(n int) {
	for _, a := range s.armed {
		if a != nil {
			a.left -= n
		}
	}
}

// slow delays a response if the board says so.
func (s *streamFaults) slow(f *feed) error {
	taken, ok := f.server.cfg.Faults.Take(fault.SlowBytes, f.point())
	if !ok {
		return nil
	}
	if err := f.server.cfg.Clock.Sleep(f.ctx, time.Duration(taken.Delay)); err != nil {
		return errEnded
	}
	return nil
}
