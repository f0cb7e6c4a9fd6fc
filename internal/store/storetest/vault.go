package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

var vaultTests = []test{
	{"Vault_PayloadsAreReadInPagesAndReplaced", vaultReplaces},
	{"Vault_WhatIsRemovedStaysRemoved", vaultRemoved},
	{"Vault_AnswersAreSeen", vaultAnswers},
}

// payloads reads all of them, page by page.
func (s *suite) payloads(st contract.Store, limit int) (all []contract.Payload) {
	s.Helper()
	for from := int64(1); from > 0; {
		page, next, err := st.Payloads(s.ctx, from, limit)
		s.check(err)
		if next != 0 && (len(page) < limit || next <= from) {
			s.Fatalf("a page of %d from %d on has %d payloads and goes on at %d", limit, from, len(page), next)
		}
		all, from = append(all, page...), next
	}
	return all
}

func vaultReplaces(s *suite) {
	st := s.Open(s.T)
	for i := range 6 {
		s.append(st, evs(fmt.Sprintf("batch-%d", i), 50)...)
	}
	claims := s.claimAll(st, 40)
	s.settle(st, delivery.Done, time.Time{}, claims[:10]...)
	s.settle(st, delivery.Dead, time.Time{}, claims[10:20]...)
	before := s.payloads(st, 70)
	if len(before) != 300 || !slices.IsSortedFunc(before, func(a, b contract.Payload) int { return int(a.Seq - b.Seq) }) {
		s.Fatalf("%d payloads, or out of sequence", len(before))
	}
	var changed []contract.Payload
	want := map[string]string{}
	for i, p := range before {
		if p.Route != orders || string(p.Data) != `{"Number__c":"`+p.ID+`"}` {
			s.Fatalf("payload %+v", p)
		}
		if i%3 == 0 {
			p.Data = bytes.Repeat([]byte(p.ID), 1+i%7)
			changed = append(changed, p)
		}
		want[p.ID] = string(p.Data)
	}
	s.check(st.Replace(s.ctx, changed))
	check := func(st contract.Store) {
		s.Helper()
		got := map[string]string{}
		for _, p := range s.payloads(st, 1000) {
			got[p.ID] = string(p.Data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.Fatalf("payloads (-want +got):\n%s", diff)
		}
	}
	check(st)
	st = s.Crash(s.T, st)
	defer func() { s.check(st.Close()) }()
	check(st)
	s.Clock.Advance(2 * lease) // what was claimed before the crash
	for _, c := range s.claimAll(st, 280) {
		if string(c.Event.Data) != want[c.Event.ID] {
			s.Fatalf("event %s is delivered as %q, want %q", c.Event.ID, c.Event.Data, want[c.Event.ID])
		}
	}
	s.adds(st)
}

func vaultRemoved(s *suite) {
	st := s.open()
	s.append(st, evs("a", 4)...)
	before := s.payloads(st, 10)
	s.settle(st, delivery.Done, time.Time{}, s.claimAll(st, 2)...)
	s.Clock.Advance(3 * time.Hour)
	_, err := st.Sweep(s.ctx, contract.Retention{Payload: 2 * time.Hour, Metadata: 24 * time.Hour})
	s.check(err)
	for i := range before {
		before[i].Data = []byte("other")
	}
	s.check(st.Replace(s.ctx, append(before, contract.Payload{Seq: 1 << 40, Data: []byte("none")})))
	got := s.payloads(st, 10)
	if len(got) != 2 || string(got[0].Data) != "other" || string(got[1].Data) != "other" || got[0].Seq != before[2].Seq {
		s.Fatalf("payloads after retention and replacement: %+v", got)
	}
	s.adds(st)
}

func vaultAnswers(s *suite) {
	st := s.open()
	for _, key := range []string{"a", "b", "c"} {
		s.begin(st, key, "d")
	}
	s.check(st.Finish(s.ctx, "callout", "a", []byte("one"), time.Hour))
	s.check(st.Finish(s.ctx, "callout", "b", []byte("two"), time.Minute))
	s.Clock.Advance(30 * time.Minute)
	var got []string
	s.check(st.Answers(s.ctx, func(answer []byte) { got = append(got, string(answer)) }))
	if diff := cmp.Diff([]string{"one"}, got); diff != "" {
		s.Fatalf("answers (-want +got):\n%s", diff)
	}
}
