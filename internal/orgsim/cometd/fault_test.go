package cometd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func (o *org) set(t *testing.T, f fault.Fault) {
	t.Helper()
	if _, err := o.faults.Set(f); err != nil {
		t.Fatal(err)
	}
}

func TestFaults_OfARequest(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	once := func(name fault.Name) fault.Fault {
		return fault.Fault{Name: name, Match: fault.Match{Endpoint: "/cometd/**"}, Count: 1}
	}
	o.set(t, once(fault.Unavailable))
	if r := c.send(c.fill(connectMessage)); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "<html>") {
		t.Errorf("unavailable: %d %s", r.status, r.body)
	}
	o.set(t, once(fault.ServerTooBusy))
	c.post(connectMessage, `[{"advice":{"reconnect":"none"},"channel":"/meta/connect","id":"9",`+
		`"error":"503::Server is too busy.  Please try your request again later.","successful":false}]`)
	o.set(t, once(fault.ServerTooBusyAs401))
	c.post(connectMessage, `[{"ext":{"sfdc":{"failureReason":"503::Server is too busy.  Please try your request again later."},"replay":true},`+
		`"advice":{"reconnect":"none"},"channel":"/meta/connect","id":"9","error":"401::Authentication invalid","successful":false}]`)
	o.set(t, once(fault.HandshakeDenied))
	if r := o.client(t).send(handshakeMessage); !strings.Contains(r.body, `"error":"403::Handshake denied"`) {
		t.Errorf("handshake denied: %s", r.body)
	}
	id := o.publish(t, "A") // none of it has cost the client anything
	if got := c.events(); uuids(got) != id {
		t.Errorf("got %v", got)
	}
	o.set(t, once(fault.UnknownClient))
	c.post(connectMessage, unknownReply)
	c.post(connectMessage, unknownReply)
	d := o.ready(t)
	o.set(t, once(fault.RevokeToken))
	d.post(connectMessage, `[{"clientId":"$id","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":"9","error":"401::Authentication invalid","successful":false}]`)
}

func TestFaults_OfAStream(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	after := func(name fault.Name, n int) fault.Fault {
		return fault.Fault{Name: name, Match: fault.Match{Topic: stock}, Count: 1, After: n}
	}
	ids := []string{o.publish(t, "1"), o.publish(t, "2"), o.publish(t, "3")}
	o.set(t, after(fault.ResetMidStream, 2))
	if got := c.events(); uuids(got) != ids[0]+" "+ids[1] {
		t.Fatalf("before the reset: %v", got)
	}
	if r := c.send(c.fill(connectMessage)); r.err == nil {
		t.Errorf("no reset: %d %s", r.status, r.body)
	}
	if got := c.events(); uuids(got) != ids[2] {
		t.Errorf("after the reset: %v", got)
	}
	// A held connect is met by a fault that is switched on now.
	answer := c.connect()
	o.held(t, 1)
	o.set(t, after(fault.RevokeToken, 0))
	if r := <-answer; !strings.Contains(r.body, `"error":"401::Authentication invalid"`) {
		t.Errorf("revoked: %s", r.body)
	}
}

func TestFaults_SilentStreamAndDuplicate(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	o.set(t, fault.Fault{Name: fault.DuplicateDelivery, Match: fault.Match{Topic: stock}, Count: 1})
	id := o.publish(t, "1")
	got := c.events()
	if uuids(got) != id+" "+id || got[0].Data.Event.ReplayID >= got[1].Data.Event.ReplayID {
		t.Errorf("duplicate: %v", got)
	}
	o.set(t, fault.Fault{Name: fault.SilentStream, Match: fault.Match{Topic: stock}, Count: 1})
	answer := c.connect()
	for spent := false; !spent; {
		spent = o.faults.List()[1].Spent
	}
	o.publish(t, "2")
	select {
	case r := <-answer:
		t.Errorf("a silent stream spoke: %v", r)
	default:
	}
	o.server.Stop() // ends it with the connection, as a client's patience would
	<-answer
}

func TestFaults_ResetInTheAnswer(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	last := o.publish(t, "1")
	o.set(t, fault.Fault{Name: fault.ResetMidStream, Match: fault.Match{Endpoint: "/cometd/**"}, Count: 1})
	if r := c.send(c.fill(connectMessage)); r.err == nil {
		t.Errorf("no reset: %d %s", r.status, r.body)
	}
	if got := c.subscribe(stock, "-2").events(); uuids(got) != last { // what left is lost until it is replayed
		t.Errorf("got %v", got)
	}
}
