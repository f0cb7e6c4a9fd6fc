package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The values of [Route.Arrives]. A new way is one constant, one line in
// arrivals, and one word in the enum of [Route].
const (
	ArrivesCallout = "callout"
	ArrivesEvents  = "events"
	ArrivesHTTP    = "http"

	ArrivesOutboundMessage = "outbound-message"
	// ArrivesReply: as answers of another route's application.
	ArrivesReply = "reply"
)

// The values of [Route.Waits].
const (
	WaitsNone  = "none"
	WaitsStore = "store"
)

// presets are what a pattern stands for. A new pattern is one line here and one
// word in the enum of [Route].
var presets = map[string]struct{ arrives, waits string }{
	"rest":   {ArrivesCallout, WaitsNone},
	"events": {ArrivesEvents, WaitsStore},
	"queue":  {ArrivesCallout, WaitsRabbitMQ},
}

// arrivals says of each way in where its events may wait (the first unless the
// route says otherwise) and which of the keys that belong to some ways only it uses.
var arrivals = map[string]struct{ waits, uses []string }{
	ArrivesCallout: {waits: []string{WaitsNone, WaitsStore, WaitsRabbitMQ}, uses: []string{"callout", "callers", "schema", "remember", "max_waiting"}},
	ArrivesEvents:  {waits: []string{WaitsStore}, uses: []string{"topic", "topics", "transport", "start", "refill"}},
	ArrivesHTTP:    {waits: []string{WaitsStore, WaitsRabbitMQ}, uses: []string{"callers", "schema", "remember", "max_waiting"}},

	ArrivesOutboundMessage: {waits: []string{WaitsStore, WaitsRabbitMQ}, uses: []string{"callers", "remember", "max_waiting", "outbound_message"}},

	ArrivesReply: {waits: []string{WaitsStore}},

	ArrivesAMQP: {waits: []string{WaitsStore, WaitsRabbitMQ}, uses: []string{"amqp", "remember", "max_waiting"}},
}

// destinations are the ways out, of which a route names exactly one in "to", and
// the keys of "to" that only this one uses. A new one is one line here.
var destinations = []struct {
	key   string
	given func(To) bool
	uses  []string
}{
	{"url", func(t To) bool { return t.URL.Reveal() != "" }, []string{"secrets", "headers", "timeout", "retry_statuses", "batch", "applink", "allow_http"}},
	{"salesforce", func(t To) bool { return t.Salesforce.Given() }, nil},
	{"rabbitmq", func(t To) bool { return t.RabbitMQ.Given() }, nil},
}

// orgUsers tell of a route that it cannot do without the org's login.
var orgUsers = []func(Route) bool{
	func(r Route) bool { return r.Arrives == ArrivesEvents },
	func(r Route) bool { return r.To.AppLink },
	func(r Route) bool { return r.To.Salesforce.Given() },
}

// UsesOrg reports whether any route needs the org.
func (s Settings) UsesOrg() bool {
	for _, r := range s.Routes {
		if slices.ContainsFunc(orgUsers, func(uses func(Route) bool) bool { return uses(r) }) {
			return true
		}
	}
	return false
}

// TakesIn reports whether others hand the route's events over, so that they can be refused.
func (r Route) TakesIn() bool { return slices.Contains(arrivals[r.Arrives].uses, "max_waiting") }

// HasOrg reports whether the file names an org.
func (s Settings) HasOrg() bool { return s.Org.LoginURL != "" || s.Org.ClientID != "" }

// Listens reports whether any route's events come in over HTTP.
func (s Settings) Listens() bool {
	for _, r := range s.Routes {
		if r.Arrives == ArrivesCallout || r.Arrives == ArrivesHTTP || r.Arrives == ArrivesOutboundMessage {
			return true
		}
	}
	return false
}

// rememberNotifications is how long a notification's id is known unless the route
// says otherwise: Salesforce repeats for 24 hours by itself, and later when an
// admin sends what failed once more.
const rememberNotifications = 72 * time.Hour

// derive fills in what the pattern and the kind of answer say.
func (r *Route) derive(set func(key string) bool) {
	preset := presets[r.Pattern]
	if r.Arrives == "" {
		r.Arrives = preset.arrives
	}
	mode, _, err := parseAnswer(r.Callout.Answer)
	switch {
	case r.Waits != "":
	case r.Arrives == ArrivesCallout && mode != "" && mode != AnswerWait && (preset.waits == "" || preset.waits == WaitsNone):
		r.Waits = WaitsStore // what is accepted has to be kept
	case preset.arrives == r.Arrives && preset.waits != "":
		r.Waits = preset.waits
	case len(arrivals[r.Arrives].waits) > 0:
		r.Waits = arrivals[r.Arrives].waits[0]
	}
	if r.Arrives == ArrivesCallout && r.Callout.Answer == "" && err == nil && !set("callout.answer") {
		r.Callout.Answer = AnswerWait
		if r.Waits != WaitsNone {
			r.Callout.Answer = AnswerAccept
		}
	}
	if r.To.Salesforce.Given() && !set("concurrency") {
		r.Concurrency = r.To.Salesforce.writers()
	}
	if r.Arrives == ArrivesOutboundMessage && !set("remember") {
		r.Remember = rememberNotifications
	}
	if r.Arrives == ArrivesCallout && r.Waits == WaitsNone && !set("to.timeout") && r.Callout.Deadline > 0 {
		r.To.Timeout = r.Callout.Deadline
	}
}

// checkArrival holds a route against the way its events arrive.
func (d *decoder) checkArrival(path string, r Route) {
	if r.Arrives == "" {
		if !d.reported(path+".pattern") && !d.reported(path+".arrives") {
			d.wrong(path+".pattern", "missing", "for example pattern: rest or pattern: events; or say arrives and waits")
		}
		return
	}
	way := arrivals[r.Arrives]
	for _, key := range foreignKeys(r.Arrives) {
		if d.isSet(path + "." + key) {
			d.wrong(path+"."+key, "is not used by a route with arrives: "+r.Arrives, "remove it, or choose a way of arriving that uses it")
		}
	}
	if r.Waits != "" && !slices.Contains(way.waits, r.Waits) {
		d.wrong(path+".waits", fmt.Sprintf("is %s, which does not go with arrives: %s", r.Waits, r.Arrives), "possible: "+strings.Join(way.waits, ", "))
	}
	switch r.Arrives {
	case ArrivesEvents:
		d.checkTopics(path, r)
	case ArrivesCallout:
		d.checkAnswer(path, r)
	}
}

// foreignKeys are the keys that only other ways of arriving use.
func foreignKeys(arrives string) []string {
	var foreign []string
	for _, way := range arrivals {
		for _, key := range way.uses {
			if !slices.Contains(arrivals[arrives].uses, key) && !slices.Contains(foreign, key) {
				foreign = append(foreign, key)
			}
		}
	}
	slices.Sort(foreign)
	return foreign
}

// hides reports whether a key means nothing for the route, so that it is not
// shown among the effective settings.
func (r Route) hides(key string) bool {
	return key == "pattern" && r.Pattern == "" || key == "reply" && r.Reply.To == "" || key == "queue" && r.Waits != WaitsRabbitMQ || slices.Contains(foreignKeys(r.Arrives), key)
}

func (d *decoder) isSet(path string) bool {
	_, ok := d.places.at[path]
	return ok
}

func (d *decoder) checkTopics(path string, r Route) {
	switch {
	case r.Topic != "" && len(r.Topics) > 0:
		d.wrong(path+".topic", "given beside topics", "keep one of the two")
	case r.Topic == "" && len(r.Topics) == 0 && !d.reported(path+".topic") && !d.reported(path+".topics"):
		d.wrong(path+".topics", "missing", "for example topic: /event/Order_Event__e")
	}
}

// checkDestination wants exactly one way out.
func (d *decoder) checkDestination(path string, r Route) {
	if r.Native() {
		return // it has none, which checkNative sees to
	}
	var keys, given []string
	refused := false
	for _, to := range destinations {
		keys = append(keys, to.key)
		refused = refused || d.reported(path+".to."+to.key)
		if to.given(r.To) {
			given = append(given, to.key)
		}
	}
	switch {
	case refused:
	case len(given) == 0:
		d.wrong(path+".to."+keys[0], "missing", "for example url: https://app.example/events")
	case len(given) > 1:
		d.wrong(path+".to."+given[1], "given beside "+given[0], "a route goes to one place; make a second route for the other")
	default:
		for _, key := range foreignTo(given[0]) {
			if d.isSet(path + ".to." + key) {
				d.wrong(path+".to."+key, "is not used by a route that goes to "+given[0], "remove it")
			}
		}
	}
}

// foreignTo are the keys of "to" that belong to other ways out.
func foreignTo(way string) []string {
	var foreign []string
	for _, to := range destinations {
		if to.key != way {
			foreign = append(append(foreign, to.key), to.uses...)
		}
	}
	return foreign
}

// hides reports whether a key means nothing for the destination, so that it is not
// shown among the effective settings.
func (t To) hides(key string) bool {
	for _, to := range destinations {
		if to.given(t) {
			return slices.Contains(foreignTo(to.key), key)
		}
	}
	return false
}

// The modes of [Callout.Answer].
const (
	AnswerWait           = "wait"
	AnswerAccept         = "accept"
	AnswerWaitThenAccept = "wait-then-accept"
)

// parseAnswer reads the kind of answer: wait, accept, or wait-then-accept and
// a duration.
func parseAnswer(text string) (mode string, wait time.Duration, err error) {
	mode, rest, found := strings.Cut(text, " ")
	switch {
	case text == "":
		return "", 0, nil
	case !found && (mode == AnswerWait || mode == AnswerAccept):
		return mode, 0, nil
	case mode == AnswerWaitThenAccept:
		wait, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil || wait < time.Millisecond || wait > 2*time.Minute {
			return "", 0, errors.New("wait-then-accept needs a duration between 1ms and 2m, as in wait-then-accept 10s")
		}
		return mode, wait, nil
	}
	return "", 0, fmt.Errorf("%q is none of wait, accept, wait-then-accept 10s", text)
}

// Mode returns the kind of answer and, for [AnswerWaitThenAccept], how long the
// caller waits first.
func (c Callout) Mode() (mode string, wait time.Duration) {
	mode, wait, _ = parseAnswer(c.Answer)
	return mode, wait
}

// checkAnswer holds the kind of answer against where events wait.
func (d *decoder) checkAnswer(path string, r Route) {
	mode, _ := r.Callout.Mode()
	switch {
	case mode == "" || r.Waits == "":
	case r.Waits == WaitsNone && mode != AnswerWait:
		d.wrong(path+".callout.answer", "is "+mode+", but nothing keeps what was accepted",
			"set waits: store, or answer: wait")
	case r.Waits != WaitsNone && mode == AnswerWait:
		d.wrong(path+".callout.answer", "is wait, but the route keeps its events (waits: "+r.Waits+")",
			"use answer: wait-then-accept 10s, or waits: none")
	}
}
