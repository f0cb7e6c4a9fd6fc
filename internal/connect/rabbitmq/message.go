package rabbitmq

import (
	"crypto/rand"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// headers name the attributes of an event as the CloudEvents binding for AMQP does.
const prefix = "cloudEvents:"

// messageOf is an event in CloudEvents binary mode.
func messageOf(e *event.Event, attempt int) rabbit.Message {
	h := map[string]any{prefix + "specversion": "1.0", prefix + "attempt": int64(attempt)}
	for name, v := range map[string]string{
		"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "partitionkey": e.Key, "orgid": e.OrgID,
		"routename": e.Route, "traceparent": e.TraceParent,
	} {
		if v != "" {
			h[prefix+name] = v
		}
	}
	if !e.Time.IsZero() {
		h[prefix+"time"] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	if e.Refilled {
		h[prefix+"refilled"] = true
	}
	return rabbit.Message{
		ID: e.ID, Type: e.Type, ContentType: "application/json", AppID: "sallyport", Timestamp: e.Time.UTC().Truncate(time.Second),
		Headers: h, Body: e.Data,
	}
}

// eventOf is a message that somebody else has published, as an event of a route.
// Attributes come from CloudEvents headers where there are some (with the prefix
// "cloudEvents:", "cloudEvents_" or "ce-"), else from the message's properties. Without an
// id it gets a new one, known says whether it had its own.
func eventOf(route string, d *rabbit.Delivery, now time.Time) (e event.Event, known bool) {
	attribute := func(name string) string {
		for _, p := range []string{prefix, "cloudEvents_", "ce-"} {
			if s := rabbit.Text(d.Headers, p+name); s != "" {
				return s
			}
		}
		return ""
	}
	e = event.Event{
		ID: first(attribute("id"), d.ID), Source: first(attribute("source"), "amqp/"+route), Type: first(attribute("type"), d.Type, "amqp.message"),
		Subject: attribute("subject"), Key: attribute("partitionkey"), OrgID: attribute("orgid"),
		TraceParent: first(attribute("traceparent"), rabbit.Text(d.Headers, "traceparent")), Data: d.Body, Time: now,
	}
	if t, err := time.Parse(time.RFC3339Nano, attribute("time")); err == nil {
		e.Time = t.UTC()
	} else if !d.Timestamp.IsZero() {
		e.Time = d.Timestamp.UTC()
	}
	known = e.ID != ""
	if !known {
		e.ID = "amqp-" + rand.Text()
	}
	return e, known
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
