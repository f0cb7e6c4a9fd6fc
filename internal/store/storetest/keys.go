package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var keyTests = []test{
	{"Keys_SameKeySameAnswer", keysAnswer},
	{"Keys_OtherDigestConflicts", keysConflict},
	{"Keys_AbandonedMayBeTriedAgain", keysAbandon},
	{"Keys_Expire", keysExpire},
	{"Keys_AHolderThatDiedLetsGo", keysHold},
	{"Keys_OneOfManyIsFresh", keysRace},
}

func (s *suite) begin(st contract.Store, key, digest string) route.KeyState {
	s.Helper()
	state, err := st.Begin(s.ctx, "callout", key, []byte(digest), time.Hour)
	s.check(err)
	return state
}

func (s *suite) wantKey(got, want route.KeyState) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("key state differs (-want +got):\n%s", diff)
	}
}

func keysAnswer(s *suite) {
	st := s.Open(s.T)
	s.wantKey(s.begin(st, "k", "d"), route.KeyState{Fresh: true})
	s.wantKey(s.begin(st, "k", "d"), route.KeyState{InProgress: true})
	s.check(st.Finish(s.ctx, "callout", "k", []byte("answer \x00"), time.Hour))
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	s.wantKey(s.begin(st, "k", "d"), route.KeyState{Answer: []byte("answer \x00")})
	s.wantKey(s.begin(st, "other", "d"), route.KeyState{Fresh: true})
	s.check(st.Finish(s.ctx, "callout", "other", []byte{}, time.Hour))
	s.wantKey(s.begin(st, "other", "d"), route.KeyState{Answer: []byte{}})
	state, err := st.Begin(s.ctx, "another scope", "k", []byte("d"), time.Hour)
	s.check(err)
	s.wantKey(state, route.KeyState{Fresh: true})
}

func keysConflict(s *suite) {
	st := s.open()
	s.begin(st, "k", "d")
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{Conflict: true})
	s.check(st.Finish(s.ctx, "callout", "k", []byte("answer"), time.Hour))
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{Conflict: true})
}

func keysAbandon(s *suite) {
	st := s.open()
	s.begin(st, "k", "d")
	s.check(st.Abandon(s.ctx, "callout", "k"))
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{Fresh: true})
	s.check(st.Finish(s.ctx, "callout", "k", []byte("answer"), time.Hour))
	s.check(st.Abandon(s.ctx, "callout", "k"))
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{Answer: []byte("answer")})
	if err := st.Finish(s.ctx, "callout", "nobody's", []byte("answer"), time.Hour); err == nil {
		s.Fatal("finished a key that nobody began")
	}
}

func keysExpire(s *suite) {
	st := s.open()
	s.begin(st, "k", "d")
	s.check(st.Finish(s.ctx, "callout", "k", []byte("answer"), time.Hour))
	s.begin(st, "in progress", "d")
	s.Clock.Advance(time.Hour)
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{Fresh: true})
	swept, err := st.Sweep(s.ctx, contract.Retention{})
	if err != nil || swept != (contract.Swept{Keys: 1}) {
		s.Fatalf("sweep = %+v, %v", swept, err)
	}
	s.wantKey(s.begin(st, "k", "other"), route.KeyState{InProgress: true})
}

// A claim ends by its hold, an answer by its keep: the one is as long as a
// request may take, the other a day.
func keysHold(s *suite) {
	st := s.open()
	begin := func(digest string) route.KeyState {
		state, err := st.Begin(s.ctx, "callout", "k", []byte(digest), time.Minute)
		s.check(err)
		return state
	}
	s.wantKey(begin("d"), route.KeyState{Fresh: true})
	s.wantKey(begin("d"), route.KeyState{InProgress: true})
	s.Clock.Advance(time.Minute)
	s.wantKey(begin("other"), route.KeyState{Fresh: true})
	s.check(st.Finish(s.ctx, "callout", "k", []byte("answer"), time.Hour))
	s.Clock.Advance(59 * time.Minute)
	s.wantKey(begin("other"), route.KeyState{Answer: []byte("answer")})
	s.Clock.Advance(time.Minute)
	s.wantKey(begin("d"), route.KeyState{Fresh: true})
	s.Clock.Advance(time.Minute)
	if err := st.Finish(s.ctx, "callout", "k", []byte("late"), time.Hour); err == nil {
		s.Fatal("finished a key whose hold had ended")
	}
}

func keysRace(s *suite) {
	st := s.open()
	fresh := make(chan bool)
	const callers = 16
	for range callers {
		go func() {
			state, err := st.Begin(s.ctx, "callout", "k", []byte("d"), time.Hour)
			if err != nil {
				s.Error(err)
			}
			fresh <- state.Fresh
		}()
	}
	n := 0
	for range callers {
		if <-fresh {
			n++
		}
	}
	if n != 1 {
		s.Fatalf("%d callers were told that the key is fresh", n)
	}
}
