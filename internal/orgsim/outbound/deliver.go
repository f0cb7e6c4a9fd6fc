package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// run sends what is due until the sender closes.
func (m *message) run() {
	s := m.sender
	for s.ctx.Err() == nil {
		m.expire(s.cfg.Clock.Now())
		if due := m.take(s.cfg.Clock.Now()); len(due) > 0 {
			m.deliver(due)
			continue
		}
		m.pause()
	}
}

// pause waits for a notification, or for the time of the next attempt or expiry.
func (m *message) pause() {
	c := m.sender.cfg.Clock
	m.mu.Lock()
	next, some := m.nextLocked()
	m.mu.Unlock()
	var alarm <-chan time.Time
	if some {
		timer := c.NewTimer(next.Sub(c.Now()))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-m.wake:
	case <-alarm:
	case <-m.sender.ctx.Done():
	}
}

func (m *message) nextLocked() (next time.Time, some bool) {
	for _, e := range m.waiting {
		at := e.due
		if end := e.created.Add(m.sender.cfg.Retry.Expiry); end.Before(at) {
			at = end
		}
		if !some || at.Before(next) {
			next, some = at, true
		}
	}
	return next, some
}

// take picks what is due, new notifications before repeated ones: that is how
// retries come out of order.
func (m *message) take(now time.Time) []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []*entry
	for _, e := range m.waiting {
		if !e.due.After(now) {
			due = append(due, e)
		}
	}
	slices.SortStableFunc(due, func(a, b *entry) int { return a.attempts - b.attempts })
	return due[:min(len(due), MaxNotifications)]
}

// expire moves what is too old to the failed list.
func (m *message) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = slices.DeleteFunc(m.waiting, func(e *entry) bool {
		if now.Sub(e.created) < m.sender.cfg.Retry.Expiry {
			return false
		}
		m.counters.Expired++
		if !m.DropFailed {
			m.failed = append(m.failed, e)
		}
		return true
	})
}

// deliver sends an envelope and takes down what came of it.
func (m *message) deliver(due []*entry) {
	rows, err := m.rows(due)
	if err == nil {
		due = m.dropVanished(due, rows)
		if len(due) == 0 {
			return
		}
		err = m.send(due, rows)
	}
	m.settle(due, err)
}

func (m *message) rows(due []*entry) (map[salesforce.ID]record.Row, error) {
	ids := make([]salesforce.ID, len(due))
	for i, e := range due {
		ids[i] = e.record
	}
	rows, err := m.sender.cfg.Rows(m.sender.ctx, m.object, ids)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return rows, nil
}

// dropVanished forgets notifications whose record was deleted, and returns the others.
func (m *message) dropVanished(due []*entry, rows map[salesforce.ID]record.Row) []*entry {
	gone := make(map[*entry]bool)
	due = slices.DeleteFunc(due, func(e *entry) bool {
		_, there := rows[e.record]
		gone[e] = !there
		return !there
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = slices.DeleteFunc(m.waiting, func(e *entry) bool {
		if gone[e] {
			m.counters.Vanished++
		}
		return gone[e]
	})
	return due
}

// send sends one envelope and returns nil when it was acknowledged.
func (m *message) send(due []*entry, rows map[salesforce.ID]record.Row) error {
	envelope, err := m.envelope()
	if err != nil {
		return err
	}
	for _, e := range due {
		envelope.Notifications = append(envelope.Notifications, Notification{ID: e.id, Row: rows[e.record]})
	}
	m.mu.Lock()
	m.counters.Requests++
	m.counters.Sent += len(due)
	m.mu.Unlock()
	return m.post(envelope.Encode())
}

func (m *message) envelope() (*Envelope, error) {
	c := &m.sender.cfg
	soap := c.InstanceURL + "/services/Soap/%s/" + c.APIVersion + "/" + c.OrgID.Short()
	e := &Envelope{
		OrgID: string(c.OrgID), ActionID: m.actionID, Object: m.object, Fields: m.Fields,
		EnterpriseURL: fmt.Sprintf(soap, "c"), PartnerURL: fmt.Sprintf(soap, "u"),
	}
	if m.SendSessionID {
		var err error
		if e.SessionID, err = c.Session(m.User); err != nil {
			return nil, fmt.Errorf("open session: %w", err)
		}
	}
	return e, nil
}

// errNotAcknowledged is an answer whose Ack is false.
var errNotAcknowledged = errors.New("the receiver answered Ack false")

func (m *message) post(envelope []byte) error {
	c := &m.sender.cfg
	ctx, cancel := context.WithCancel(m.sender.ctx)
	defer cancel()
	timer := c.Clock.AfterFunc(c.Timeout, cancel)
	defer timer.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Endpoint, bytes.NewReader(envelope))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	request.Header["SOAPAction"] = []string{`""`}
	request.Header.Set("User-Agent", "SFDC-Callout/"+c.APIVersion)
	answer, err := m.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the receiver answered %s", answer.Status)
	}
	ack, err := ReadAck(bytes.NewReader(body))
	if err == nil && !ack {
		err = errNotAcknowledged
	}
	return err
}

// settle takes the outcome down: one Ack, or none, for all.
func (m *message) settle(due []*entry, err error) {
	now := m.sender.cfg.Clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.counters.Acknowledged += len(due)
		over := make(map[*entry]bool, len(due))
		for _, e := range due {
			over[e] = true
		}
		m.waiting = slices.DeleteFunc(m.waiting, func(e *entry) bool { return over[e] })
		return
	}
	m.counters.Refused++
	for _, e := range due {
		e.attempts++
		e.problem = err.Error()
		e.due = now.Add(m.sender.cfg.Retry.after(e.attempts))
	}
	m.sender.cfg.Logger.Debug("repeat outbound messages later", "message", m.Name, "notifications", len(due), "error", err)
}
