package rabbitqueue

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/sealed"
)

// The attributes of the event are headers, named as the CloudEvents binding for
// AMQP names them; the body is the event's data as it is.
const (
	ceID       = "cloudEvents:id"
	ceSource   = "cloudEvents:source"
	ceType     = "cloudEvents:type"
	ceSubject  = "cloudEvents:subject"
	ceTime     = "cloudEvents:time"
	ceKey      = "cloudEvents:partitionkey"
	ceOrg      = "cloudEvents:orgid"
	ceRoute    = "cloudEvents:routename"
	ceRefilled = "cloudEvents:refilled"
	ceTrace    = "cloudEvents:traceparent"
	ceVersion  = "cloudEvents:specversion"
)

// What Sallyport keeps on a message for itself. Times are milliseconds since 1970.
const (
	hAccepted = "x-sallyport-accepted"
	hCopy     = "x-sallyport-copy"
	hDigest   = "x-sallyport-digest"
	hAttempts = "x-sallyport-attempts"
	hDue      = "x-sallyport-due"
	hReason   = "x-sallyport-reason"
	hStatus   = "x-sallyport-status"
	hDied     = "x-sallyport-died"
	hHistory  = "x-sallyport-history"
)

// sealedContent is the content type of a message whose body is sealed: nobody but
// Sallyport reads it.
const sealedContent = "application/vnd.sallyport.sealed"

// letter is an event as it travels through the broker.
type letter struct {
	event    event.Event
	copy     string // of what was accepted; "" of a message that others published
	digest   []byte
	accepted time.Time
	attempts int
	due      time.Time
}

// write turns a letter into a message.
func (l *letter) write() rabbit.Message {
	e := &l.event
	h := map[string]any{
		ceVersion: "1.0", ceID: e.ID, ceSource: e.Source, ceType: e.Type, ceRoute: e.Route,
		hAccepted: l.accepted.UnixMilli(),
	}
	for name, v := range map[string]string{
		ceSubject: e.Subject, ceKey: e.Key, ceOrg: e.OrgID, ceTrace: e.TraceParent,
		hCopy: l.copy, hDigest: hex.EncodeToString(l.digest),
	} {
		if v != "" {
			h[name] = v
		}
	}
	if !e.Time.IsZero() {
		h[ceTime] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	if e.Refilled {
		h[ceRefilled] = true
	}
	if l.attempts > 0 {
		h[hAttempts] = int64(l.attempts)
	}
	if !l.due.IsZero() {
		h[hDue] = l.due.UnixMilli()
	}
	content := "application/json"
	if _, is := sealed.IsSealed(e.Data); is {
		content = sealedContent
	}
	return rabbit.Message{
		ID: e.ID, Type: e.Type, ContentType: content, AppID: "sallyport",
		Timestamp: l.accepted.Truncate(time.Second), Headers: h, Body: e.Data,
	}
}

// read takes a letter out of a message. It never fails: a message that others
// have published gets what it lacks, and an id that is new each time, because
// two messages without one may be equal and still be two.
func read(route string, m *rabbit.Message, now time.Time) letter {
	h := m.Headers
	l := letter{
		event: event.Event{
			ID: first(rabbit.Text(h, ceID), m.ID), Source: rabbit.Text(h, ceSource), Type: first(rabbit.Text(h, ceType), m.Type),
			Subject: rabbit.Text(h, ceSubject), Key: rabbit.Text(h, ceKey), OrgID: rabbit.Text(h, ceOrg), Route: route,
			TraceParent: rabbit.Text(h, ceTrace), Data: m.Body,
		},
		copy: rabbit.Text(h, hCopy), accepted: instant(rabbit.Int(h, hAccepted)),
		attempts: int(min(max(rabbit.Int(h, hAttempts), 0), 1<<20)), due: instant(rabbit.Int(h, hDue)),
	}
	l.event.Refilled, _ = h[ceRefilled].(bool)
	l.digest, _ = hex.DecodeString(rabbit.Text(h, hDigest))
	if t, err := time.Parse(time.RFC3339Nano, rabbit.Text(h, ceTime)); err == nil {
		l.event.Time = t.UTC()
	} else if !m.Timestamp.IsZero() {
		l.event.Time = m.Timestamp.UTC()
	}
	if l.accepted.IsZero() {
		l.accepted = now
		if !m.Timestamp.IsZero() && m.Timestamp.Before(now) {
			l.accepted = m.Timestamp.UTC()
		}
	}
	if l.event.ID == "" {
		l.event.ID = "amqp-" + rand.Text()
	}
	return l
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func instant(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// tell writes the history of a dead letter into its headers, for whoever reads
// the queue without us.
func tell(m *rabbit.Message, h *held, o *event.Outcome, at time.Time) {
	m.Headers[hReason], m.Headers[hStatus], m.Headers[hDied] = o.Reason, int64(o.Status), at.UnixMilli()
	var lines []any
	for _, a := range h.history {
		lines = append(lines, fmt.Sprintf("%s attempt %d: %s %d %s", a.Ended.UTC().Format(time.RFC3339), a.Number, a.Outcome.Verdict, a.Outcome.Status, a.Outcome.Reason))
	}
	if len(lines) > 0 {
		m.Headers[hHistory] = lines
	}
}
