package streaming

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

const (
	typeEvent  = "com.salesforce.event."
	typeChange = "com.salesforce.change."
	// overflowID stands for "no record in particular" in overflow events.
	overflowID = "000000000000000AAA"
)

// events makes the events of one that came: one, or as many as it has records. An
// error means that it could not be had for now, so that the stream must end and
// the event come again.
func (s *Stream) events(ctx context.Context, raw *cometd.RawEvent, received time.Time) ([]event.Event, error) {
	d, err := raw.Decode(s.source.cfg.KeyField)
	if err == nil && raw.Placed {
		e, err := s.decoded(ctx, raw, &d, received)
		if _, unusable := errors.AsType[errUnusable](err); unusable {
			return []event.Event{s.undecodable(raw, err, received)}, nil
		}
		if err == nil && d.Splits() {
			return split(e, &d), nil
		}
		return []event.Event{e}, err
	}
	if err == nil {
		err = errors.New("the event has no replay id")
	}
	return []event.Event{s.undecodable(raw, err, received)}, nil
}

// split makes an event for each record of one that names several, with the ids that
// package eventbus gives them.
func split(whole event.Event, d *cometd.Decoded) []event.Event {
	all := make([]event.Event, len(d.RecordIDs))
	for i, id := range d.RecordIDs {
		e := whole
		e.ID, e.Subject, e.Key = whole.ID+"/"+id, id, d.Key
		if e.Key == "" {
			e.Key = id
		}
		e.TraceParent = trace(e.ID)
		quoted, _ := json.Marshal([]string{id}) // texts always marshal
		e.Data = slices.Concat(whole.Data[:d.IDsFrom], quoted, whole.Data[d.IDsTo:])
		all[i] = e
	}
	return all
}

func (s *Stream) decoded(ctx context.Context, raw *cometd.RawEvent, d *cometd.Decoded, received time.Time) (event.Event, error) {
	e := event.Event{Source: s.origin, OrgID: s.org, Time: received, Data: d.JSON}
	if topic := s.source.cfg.Topic; topic.Legacy() {
		e.Type = legacyType(topic, d)
	} else if d.Entity != "" {
		e.Type = typeChange + d.Entity + "." + strings.ReplaceAll(strings.ToLower(d.ChangeType), "_", "-")
	} else {
		name, err := s.name(ctx, raw)
		if err != nil {
			return event.Event{}, err
		}
		e.Type = typeEvent + name
	}
	if len(d.RecordIDs) > 0 && d.RecordIDs[0] != overflowID {
		e.Subject = d.RecordIDs[0]
	}
	if e.Key = d.Key; e.Key == "" {
		e.Key = e.Subject
	}
	if !d.Time.IsZero() {
		e.Time = d.Time
	}
	e.ID = identity(raw)
	e.TraceParent = trace(e.ID)
	return e, nil
}

// legacyType is the type of what came before platform events:
// com.salesforce.pushtopic.<Name>.<created|updated|deleted|undeleted> and
// com.salesforce.generic.<Name>.
func legacyType(topic salesforce.Topic, d *cometd.Decoded) string {
	if topic.Kind() == salesforce.GenericTopic {
		return "com.salesforce.generic." + strings.ReplaceAll(strings.TrimPrefix(topic.String(), "/u/"), "/", ".")
	}
	return "com.salesforce.pushtopic." + topic.Name() + "." + d.ChangeType
}

// identity is the event's UUID, or what comes next to it as a stable id: its
// place, and a digest, because the changes of one transaction may share a place.
func identity(raw *cometd.RawEvent) string {
	if raw.ID != "" {
		return raw.ID
	}
	sum := sha256.Sum256(raw.Data)
	digest := hex.EncodeToString(sum[:6])
	if !raw.Placed {
		return "data-" + digest
	}
	return "replay-" + salesforce.ReplayID(cometd.Position(raw.ReplayID)).String() + "-" + digest
}

// undecodable carries an event as it came, for a route to dead-letter.
func (s *Stream) undecodable(raw *cometd.RawEvent, why error, received time.Time) event.Event {
	data, _ := json.Marshal(struct { // three strings always marshal
		SchemaID string `json:"schema_id"`
		Payload  string `json:"payload_base64"`
		Error    string `json:"error"`
	}{raw.SchemaID, base64.StdEncoding.EncodeToString(raw.Data), why.Error()})
	id := identity(raw)
	return event.Event{
		ID: id, Source: s.origin, Type: event.TypeUndecodable, Time: received, OrgID: s.org, TraceParent: trace(id), Data: data,
	}
}

// trace makes a trace context (W3C) from an event's id, the same on every
// delivery and the same as over the Pub/Sub API.
func trace(id string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	span := h.Sum(nil)
	span[7] |= 1 // an all-zero span id is invalid
	return "00-" + traceID(id) + "-" + hex.EncodeToString(span) + "-01"
}

// traceID is the 16 bytes of a UUID, or of a digest for any other id.
func traceID(id string) string {
	digits := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	if raw, err := hex.DecodeString(digits); err == nil && len(id) == 36 && len(raw) == 16 && digits != strings.Repeat("0", 32) {
		return digits
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
