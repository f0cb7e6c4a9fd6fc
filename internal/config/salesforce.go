package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Salesforce is an org as a destination: records to write, or platform events to publish.
type Salesforce struct {
	Object           string        `yaml:"object" type:"object" sample:"Account" doc:"The sObject that every event is written to; the event's data, after the transform, is the record. With operation."`
	Operation        string        `yaml:"operation" enum:"create,update,upsert,delete" sample:"upsert" doc:"What is done with the record. update and delete need its Id among the fields, or external_id; upsert needs external_id. Prefer upsert: an attempt whose answer was lost can be repeated without harm."`
	ExternalID       string        `yaml:"external_id" pattern:"^[A-Za-z][A-Za-z0-9_]{0,79}$" sample:"External_Id__c" doc:"The external Id field that the record is found by: needed by upsert, in place of the Id by update and delete (25 of which share an API request, instead of 200)."`
	IdempotencyField string        `yaml:"idempotency_field" pattern:"^[A-Za-z][A-Za-z0-9_]{0,79}$" sample:"Sallyport_Event__c" doc:"An external Id field (unique, text of 255) that gets the event's id when a record is created, so that a create whose answer was lost does not make a second record. Without it, such a create may."`
	Publish          string        `yaml:"publish" pattern:"^[A-Za-z][A-Za-z0-9_]{0,76}__e$" sample:"Order_Status__e" doc:"The platform event that every event is published as; the event's data, after the transform, is its fields. Instead of object."`
	Via              string        `yaml:"via" enum:"pubsub,rest" default:"pubsub" doc:"How platform events are published: over the Pub/Sub API, which costs no API request and answers when the event is on the bus, or over REST, which validates the fields and answers when it is in the queue."`
	Allow            []string      `yaml:"allow" pattern:"^[A-Za-z][A-Za-z0-9_]{0,79}\\.(create|update|upsert|delete|publish|\\*)$" sample:"[Account.upsert, Order_Status__e.publish]" doc:"What events may name themselves: {object, operation, external_id, record} or {publish, record}. Instead of object and publish. Anything that is not listed becomes a dead letter."`
	Batch            int           `yaml:"batch" default:"200" min:"1" max:"20000" doc:"The most events to write in one attempt, of what is there; 200 records share one API request. Where the route keeps an order, one event per key and 256 at most."`
	BulkOver         int           `yaml:"bulk_over" default:"0" off:"never by a Bulk job" doc:"More records than this in one attempt are written by a Bulk API 2.0 job. Needs a batch above it and, from 256 on, order_by: none. Records that are created without an idempotency_field never are."`
	RetryCodes       []string      `yaml:"retry_codes" pattern:"^[A-Z][A-Z_]{2,79}$" sample:"[INVALID_CROSS_REFERENCE_KEY]" doc:"Salesforce's status codes to retry although they are a verdict on the record. Locks, limits and outages are retried anyway; any other code otherwise makes a dead letter at once."`
	Timeout          time.Duration `yaml:"timeout" default:"1m" min:"1s" doc:"How long one API request may take."`
	BulkTimeout      time.Duration `yaml:"bulk_timeout" default:"10m" min:"10s" doc:"How long a Bulk job may take before it is stopped and its events are tried again."`
}

// lanes is in how many lanes an ordered route's events wait; of each, one is in an
// attempt. It is delivery.Lanes, which this package may not see.
const lanes = 256

// writers is how many attempts run at once unless the route says otherwise. Few, since
// they share what waits: more of them make smaller requests, and lock each other's
// records in the org.
func (s Salesforce) writers() int {
	if s.BulkOver > 0 {
		return 1
	}
	return 4
}

// Given reports whether the route goes to the org.
func (s Salesforce) Given() bool { return s.Object != "" || s.Publish != "" || len(s.Allow) > 0 }

// Reply says where an application's answers go.
type Reply struct {
	To        string `yaml:"to" sample:"write-back" doc:"The route that the records and events of an answer go to. The application answers 2xx with {\"records\": [...], \"events\": [...]}, a CloudEvent or an array of CloudEvents; each entry becomes one event of that route."`
	MaxAnswer Size   `yaml:"max_answer" default:"1MiB" min:"1KiB" max:"16MiB" doc:"The largest answer that is read. A larger one becomes a dead letter of the route that replies go to."`
}

// checkSalesforce holds a route that goes to the org against what can be written.
func (d *decoder) checkSalesforce(path string, r Route) {
	s, at := r.To.Salesforce, path+".to.salesforce"
	if !s.Given() {
		return
	}
	if r.Waits == WaitsNone {
		d.wrong(path+".waits", "is none, but a write to the org has no answer for a caller who waits", "set waits: store")
	}
	ways := 0
	for _, given := range []bool{s.Object != "", s.Publish != "", len(s.Allow) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		d.wrong(at, "names more than one of object, publish and allow", "keep one of them")
	case s.Object != "" && s.Operation == "" && !d.reported(at+".operation"):
		d.wrong(at+".operation", "missing", "for example operation: upsert")
	case s.Object == "" && s.Operation != "":
		d.wrong(at+".operation", "has no meaning without object", "name the object, or remove it")
	}
	d.checkExternalID(at, s)
	if strings.HasSuffix(s.Object, "__e") {
		d.wrong(at+".object", "is a platform event", "use publish: "+s.Object)
	}
	switch {
	case s.BulkOver > 0 && s.Batch <= s.BulkOver:
		d.wrong(at+".bulk_over", "is not below batch, so that no attempt has more records", "raise batch above it")
	case s.BulkOver >= lanes && r.OrderBy != "none":
		d.wrong(at+".bulk_over", fmt.Sprintf("is never reached: an attempt of a route that keeps an order has %d events at most", lanes),
			"set order_by: none; with concurrency 1 events are written in the order of acceptance all the same, except that a retried one comes later")
	}
}

func (d *decoder) checkExternalID(at string, s Salesforce) {
	switch {
	case s.Operation == "upsert" && s.ExternalID == "" && !d.reported(at+".external_id"):
		d.wrong(at+".external_id", "missing; an upsert finds the record by it", "for example external_id: External_Id__c")
	case s.ExternalID != "" && (s.Operation == "create" || s.Object == ""):
		d.wrong(at+".external_id", "is used by operation: upsert, update and delete only", "remove it, or upsert")
	case s.IdempotencyField != "" && (s.Publish != "" || s.Operation != "" && s.Operation != "create"):
		d.wrong(at+".idempotency_field", "is used by operation: create only", "remove it")
	}
}

// checkReplies holds answers against the routes that they go to.
func (d *decoder) checkReplies(routes map[string]Route) {
	answered := map[string]bool{}
	for name, r := range routes {
		to, path := r.Reply.To, "routes."+name+".reply.to"
		if to == "" {
			if d.isSet("routes."+name+".reply.max_answer") && !d.isSet(path) {
				d.wrong(path, "missing", "name the route that answers go to")
			}
			continue
		}
		answered[to] = true
		target, known := routes[to]
		switch {
		case !known:
			d.wrong(path, "no route is called "+to, "")
		case target.Waits == WaitsNone:
			d.wrong(path, "route "+to+" keeps no events (waits: none)", "let answers go to a route with waits: store")
		case r.Waits == WaitsNone:
			d.wrong(path, "the answer goes to the caller (waits: none)", "set waits: store, or remove reply")
		case r.To.URL.Reveal() == "":
			d.wrong(path, "only an application that events are posted to (to.url) answers", "remove it")
		case r.To.Batch > 1:
			d.wrong(path, "answers to batches are not read", "set to.batch: 1, or remove reply")
		case circular(routes, name):
			d.wrong(path, "answers would go round in a circle: "+to+" replies to "+name+" in the end", "let the last route go to Salesforce")
		}
	}
	for name, r := range routes {
		if r.Arrives == ArrivesReply && !answered[name] {
			d.wrong("routes."+name+".arrives", "is reply, but no route names it in reply.to", "add reply: {to: "+name+"} to the route whose application answers")
		}
	}
}

// circular reports whether a route's answers come back to it.
func circular(routes map[string]Route, name string) bool {
	seen := []string{name}
	for at := routes[name].Reply.To; at != ""; at = routes[at].Reply.To {
		if slices.Contains(seen, at) {
			return at == name
		}
		seen = append(seen, at)
	}
	return false
}
