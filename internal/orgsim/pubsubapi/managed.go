package pubsubapi

import (
	"cmp"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// ManagedSubscribe is Subscribe with the position kept by the org: the client
// commits replay ids on the same stream. A subscription has one client at a time.
func (s *Server) ManagedSubscribe(stream grpc.BidiStreamingServer[pubsubpb.ManagedFetchRequest, pubsubpb.ManagedFetchResponse]) error {
	m := &managedFeed{feed: newFeed(s, stream)}
	defer m.end()
	return run(m.feed, receive(stream.Context(), stream.Recv), m.fetch)
}

type managedFeed struct {
	*feed
	id salesforce.ID // empty until the first request
}

// end gives the subscription up before the stream stops counting as open: who sees
// no stream may subscribe.
func (m *managedFeed) end() {
	defer m.feed.end()
	if m.id == "" {
		return
	}
	m.server.managedMu.Lock()
	defer m.server.managedMu.Unlock()
	delete(m.server.managed, m.id)
}

func (m *managedFeed) fetch(r *pubsubpb.ManagedFetchRequest) error {
	commit := r.GetCommitReplayIdRequest()
	if n := r.GetNumRequested(); n < 0 || n == 0 && commit == nil {
		return m.call.fail(codes.InvalidArgument, codeNoCredit, "The number of events requested must be greater than zero.")
	}
	if m.id == "" {
		if err := m.begin(cmp.Or(r.GetSubscriptionId(), r.GetDeveloperName())); err != nil {
			return err
		}
	}
	m.addCredit(r.GetNumRequested())
	if commit == nil {
		return nil
	}
	return m.commit(commit)
}

func (m *managedFeed) begin(name string) error {
	b := m.server.cfg.Bus
	s, err := b.Managed(name)
	if err != nil {
		return m.call.fail(codes.NotFound, "", "The managed subscription "+name+" does not exist.")
	}
	if s.State != bus.StateRun {
		return m.call.fail(codes.FailedPrecondition, "", "The managed subscription "+s.DeveloperName+" is not running.")
	}
	if !m.server.claim(s.ID) {
		return m.call.fail(codes.AlreadyExists, "", "The managed subscription "+s.DeveloperName+" has a client already.")
	}
	m.id = s.ID
	m.start(s.Topic, startOf(b, &s))
	return nil
}

// startOf returns where a managed subscription goes on.
func startOf(b *bus.Bus, s *bus.ManagedSubscription) bus.Position {
	replay := s.DefaultReplay
	if s.Committed != 0 {
		if b.Resolve(s.Topic, s.Committed) == nil {
			return s.Committed
		}
		replay = s.ErrorRecovery
	}
	if replay == bus.ReplayEarliest {
		return bus.Earliest
	}
	return b.Tip()
}

// claim makes the caller a subscription's one client, unless there is one.
func (s *Server) claim(id salesforce.ID) bool {
	s.managedMu.Lock()
	defer s.managedMu.Unlock()
	if s.managed[id] {
		return false
	}
	s.managed[id] = true
	return true
}

// commit stores a position and answers with a response of its own.
func (m *managedFeed) commit(r *pubsubpb.CommitReplayRequest) error {
	answer := &pubsubpb.CommitReplayResponse{
		CommitRequestId: r.GetCommitRequestId(), ReplayId: r.GetReplayId(), ProcessTime: m.server.cfg.Clock.Now().UnixMilli(),
	}
	p, err := bus.ParseReplayID(r.GetReplayId())
	if err == nil {
		err = m.server.cfg.Bus.CommitManaged(m.id, p)
	}
	if err != nil {
		answer.Error = &pubsubpb.Error{Code: pubsubpb.ErrorCode_COMMIT, Msg: "The replay ID cannot be committed: " + err.Error()}
	}
	encoded, err := proto.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode commit response: %w", err)
	}
	// Every response says where the stream is, and clients read it unasked. Nothing
	// delivered yet means the committed position.
	answered := &frame{commit: encoded}
	if at := cmp.Or(m.position, p); at != 0 {
		answered.latest = at.ReplayID()
	}
	return m.send(answered)
}
