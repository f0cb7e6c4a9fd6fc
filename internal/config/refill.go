package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Refill is where missed events come back from.
type Refill struct {
	From     string   `yaml:"from" enum:"records,outbox,soql,none" default:"records" doc:"For change events, records: the record APIs, which tell what changed and what was deleted; the whole record comes, marked as refilled. For platform events, outbox: the rows that the Sallyport Apex package keeps of what it published; or soql: rows of any object, by a statement and a mapping. Otherwise a gap is closed as lost, with its span."`
	Objects  []string `yaml:"objects" type:"object" sample:"[Account, Contact]" doc:"The objects whose changes a channel carries (/data/ChangeEvents or a custom channel); with outbox or soql, the platform events that a custom channel carries. A topic of one object or event needs none; for a channel of changes without them a refill waits until they are named."`
	BulkOver int      `yaml:"bulk_over" default:"10000" min:"1" max:"1000000" doc:"More rows than this are read by a Bulk API job instead of REST pages of 2,000."`
	SOQL     string   `yaml:"soql" type:"spanquery" sample:"'SELECT Event_Id__c, CreatedDate, Body__c FROM Sent__c WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp'" doc:"For from: soql. The statement that selects the rows of a span, whose ends stand as {from} and {until}; its order is the order of the events. A statement of plain fields may be read by a Bulk API job, any other is read over REST."`
	Map      string   `yaml:"map" type:"map" sample:"'{id: .Event_Id__c, time: .CreatedDate, data: {Body__c}}'" doc:"For from: soql. A jq expression over a row; each result is an event {id, time, data} with, where wanted, key, subject and event (its API name, on a custom channel). The id must be the UUID that the bus gave the event (EventBus.getOperationId in Apex), so that one that comes twice is known. No result: the row is none. A row it fails on becomes a dead letter."`
	Outbox   string   `yaml:"outbox" type:"object" default:"Sallyport_Outbox__c" doc:"For from: outbox. The API name of the outbox object, with its namespace if the package has one."`
}

// Group says which events are delivered as one.
type Group struct {
	By    string        `yaml:"by" enum:"none,transaction" default:"none" doc:"transaction: all changes of one Salesforce transaction on a topic become one event of type com.salesforce.change.transaction."`
	Quiet time.Duration `yaml:"quiet" default:"2s" min:"10ms" max:"5m" doc:"A transaction has ended when the next one begins, or when its topic has been quiet for so long."`
	Max   int           `yaml:"max" default:"1000" min:"1" max:"10000" doc:"The most changes in one event. A larger transaction comes in several, of which all but the last say last: false. So does one whose changes exceed 4 MiB."`
}

// checkSpanQuery holds a statement to what a span can be put into.
func checkSpanQuery(text string) error {
	if _, err := salesforce.ParseSpanQuery(text); err != nil {
		return fmt.Errorf("not a statement over a span: %w", err)
	}
	return nil
}

// checkMap compiles a mapping: it sees the row and no variables.
func checkMap(text string) error {
	query, err := gojq.Parse(text)
	if err != nil {
		return fmt.Errorf("not a jq expression: %w", err)
	}
	if _, err := gojq.Compile(query); err != nil {
		return fmt.Errorf("not a jq expression that runs: %w", err)
	}
	return nil
}

// ForPlatformEvents tells whether the refill brings back platform events.
func (r Refill) ForPlatformEvents() bool { return r.From == "outbox" || r.From == "soql" }

func carriesChanges(topic string) bool { return strings.HasPrefix(topic, "/data/") }

// checkRefill holds a route's refill to what its topics carry.
func (d *decoder) checkRefill(path string, r Route) {
	at := path + ".refill"
	if r.Refill.From == "soql" {
		for key, given := range map[string]bool{"soql": r.Refill.SOQL != "", "map": r.Refill.Map != ""} {
			if p := at + "." + key; !given && !d.reported(p) {
				d.wrong(p, "missing; from: soql needs it", "")
			}
		}
	} else if r.Refill.SOQL != "" || r.Refill.Map != "" {
		d.wrong(at+".from", fmt.Sprintf("is %s, which uses neither soql nor map", r.Refill.From), "set from: soql, or remove them")
	}
	if !r.Refill.ForPlatformEvents() {
		return
	}
	for _, topic := range r.Topics {
		switch parsed, err := salesforce.ParseTopic(topic); {
		case err != nil:
		case parsed.Legacy():
			d.wrong(at+".from", fmt.Sprintf("brings back platform events, but %s carries none", topic), "give each kind a route of its own")
		case carriesChanges(topic):
			d.wrong(at+".from", fmt.Sprintf("brings back platform events, but %s carries change events", topic), "give each kind a route of its own")
		case r.Refill.From == "outbox" && parsed.Kind() == salesforce.ChannelTopic && len(r.Refill.Objects) == 0:
			d.wrong(at+".objects", "missing; "+topic+" is a channel, and the outbox is asked for events by name", "objects: [Order_Event__e]")
		}
	}
}

// checkLegacy holds topics that only one transport has to that one.
func (d *decoder) checkLegacy(path string, r Route) {
	for _, topic := range r.Topics {
		if parsed, err := salesforce.ParseTopic(topic); err == nil && parsed.Legacy() && r.Transport == "pubsub" {
			d.wrong(path+".transport", fmt.Sprintf("is pubsub, which does not have %s", topic), "PushTopics and generic channels come over transport: cometd")
		}
	}
}

// checkSharedRefills holds routes on one topic to one way of bringing back platform events.
func (d *decoder) checkSharedRefills(routes map[string]Route) {
	first := map[string]string{} // route by topic
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		for _, topic := range r.Topics {
			if !r.Refill.ForPlatformEvents() {
				continue
			}
			other, shared := first[topic]
			if !shared {
				first[topic] = name
				continue
			}
			if o := routes[other].Refill; o.From != r.Refill.From || o.SOQL != r.Refill.SOQL || o.Map != r.Refill.Map || o.Outbox != r.Refill.Outbox {
				d.wrong("routes."+name+".refill", fmt.Sprintf("differs from that of route %s, which reads %s too", other, topic),
					"routes on one topic share one refill: give both the same, or only one of them any")
				break
			}
		}
	}
}

// checkSharedGroups holds routes that group one topic to one way of doing so.
func (d *decoder) checkSharedGroups(routes map[string]Route) {
	first := map[string]string{} // route by topic
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		for _, topic := range r.Topics {
			if r.Group.By != "transaction" {
				continue
			}
			other, shared := first[topic]
			if !shared {
				first[topic] = name
				continue
			}
			if routes[other].Group != r.Group {
				d.wrong("routes."+name+".group", fmt.Sprintf("differs from that of route %s, which groups %s too", other, topic),
					"routes on one topic share one subscription: give both the same quiet and max")
				break
			}
		}
	}
}

// checkGroup holds grouping to topics that have transactions.
func (d *decoder) checkGroup(path string, r Route) {
	if r.Group.By != "transaction" {
		return
	}
	for _, topic := range r.Topics {
		if !carriesChanges(topic) {
			d.wrong(path+".group", fmt.Sprintf("groups change events, but %s carries none", topic), "give each kind a route of its own")
		}
	}
}
