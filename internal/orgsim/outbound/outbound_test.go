package outbound_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/outbound"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const ack = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>%v</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>`

// received is one envelope as a receiver reads it.
type received struct {
	header http.Header
	body   string
	ids    []string // of notifications
	names  []string
	reply  chan<- string // an answer, or "" for a 500
}

// org is a sender with its rows and a receiver that the test answers for.
type org struct {
	t *testing.T
	*outbound.Sender
	clock   *clock.Clock
	records *record.Engine
	account *schema.Object
	got     chan received
}

func newOrg(t *testing.T, change func(*outbound.Definition)) *org {
	t.Helper()
	o := &org{t: t, clock: clock.NewManual(noon), got: make(chan received)}
	catalog := schema.Default()
	o.account, _ = catalog.Object("Account")
	var err error
	o.Sender, err = outbound.New(outbound.Config{
		Catalog: catalog, Rows: o.rows, Clock: o.clock, OrgID: "00DSp0000000001MAA", InstanceURL: "https://acme.example.com",
		Session: func(username string) (string, error) { return "session of " + username, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	o.records, err = record.Open(record.Config{Catalog: catalog, Now: o.clock.Now, Listener: o.Sender})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.receive(w, r, done) }))
	t.Cleanup(func() {
		close(done)
		o.Close()
		app.Close()
		if err := o.records.Close(); err != nil {
			t.Error(err)
		}
	})
	d := outbound.Definition{Name: "A", Object: "Account", Endpoint: app.URL, Fields: []string{"Name", "Phone"}}
	if change != nil {
		change(&d)
	}
	if err := o.Declare(d); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *org) rows(ctx context.Context, object *schema.Object, ids []salesforce.ID) (map[salesforce.ID]record.Row, error) {
	tx, err := o.records.Begin(ctx, record.Actor{})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	rows := make(map[salesforce.ID]record.Row)
	for _, id := range ids {
		if row, err := tx.Get(object, id); err == nil {
			rows[id] = row
		}
	}
	return rows, nil
}

// receive hands the envelope to the test and waits for its answer.
func (o *org) receive(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var envelope struct {
		Notifications []struct {
			ID   string `xml:"Id"`
			Name string `xml:"sObject>Name"`
		} `xml:"Body>notifications>Notification"`
	}
	if err := xml.Unmarshal(body, &envelope); err != nil {
		o.t.Errorf("%v in %s", err, body)
	}
	reply := make(chan string, 1)
	got := received{header: r.Header, body: string(body), reply: reply}
	for _, n := range envelope.Notifications {
		got.ids, got.names = append(got.ids, n.ID), append(got.names, n.Name)
	}
	select {
	case o.got <- got:
	case <-done:
		return
	}
	select {
	case text := <-reply:
		if text == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, text)
	case <-r.Context().Done():
	case <-done:
	}
}

func (o *org) next() received {
	o.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	select {
	case got := <-o.got:
		return got
	case <-deadline.C:
		o.t.Fatal("no envelope came")
		panic("unreachable")
	}
}

func (o *org) create(names ...string) []salesforce.ID {
	o.t.Helper()
	rows := make([]record.Row, len(names))
	for i, name := range names {
		rows[i] = record.Row{"Name": name}
	}
	ids, err := o.records.InsertMany(context.Background(), record.Actor{}, o.account, rows)
	if err != nil {
		o.t.Fatal(err)
	}
	return ids
}

func (o *org) update(id salesforce.ID, row record.Row) {
	o.t.Helper()
	if err := o.records.Do(context.Background(), record.Actor{}, func(tx *record.Tx) error { return tx.Update(o.account, id, row) }); err != nil {
		o.t.Fatal(err)
	}
}

func (o *org) state() outbound.State { return o.States()[0] }

func (o *org) eventually(what string, holds func(outbound.State) bool) {
	o.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds(o.state()) {
		select {
		case <-deadline.C:
			o.t.Fatalf("never: %s; %+v", what, o.state())
		case <-tick.C:
		}
	}
}

func TestSender_EnvelopeAndAck(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(d *outbound.Definition) { d.Fields = []string{"name", "NumberOfEmployees", "CreatedDate", "Phone"} })
	id := o.create("A & <B>")[0]
	got := o.next()
	want := `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>00DSp0000000001MAA</OrganizationId>
   <ActionId>04kSp0000000001AAA</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://acme.example.com/services/Soap/c/67.0/00DSp0000000001</EnterpriseUrl>
   <PartnerUrl>https://acme.example.com/services/Soap/u/67.0/00DSp0000000001</PartnerUrl>
   <Notification>
    <Id>04lSp0000000001AAA</Id>
    <sObject xsi:type="sf:Account" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>` + string(id) + `</sf:Id>
     <sf:Name>A &amp; &lt;B&gt;</sf:Name>
     <sf:CreatedDate>2026-08-20T12:00:00.000Z</sf:CreatedDate>
    </sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>`
	want = strings.ReplaceAll(want, "04kSp0000000001AAA", o.state().ActionID)
	want = strings.ReplaceAll(want, "04lSp0000000001AAA", got.ids[0])
	if got.body != want {
		t.Errorf("sent\n%s\nwant\n%s", got.body, want)
	}
	if got.header.Get("Content-Type") != "text/xml; charset=UTF-8" || got.header.Get("SOAPAction") != `""` || got.header.Get("User-Agent") != "SFDC-Callout/67.0" {
		t.Errorf("header %v", got.header)
	}
	if !strings.HasPrefix(got.ids[0], "04l") || len(got.ids[0]) != 18 {
		t.Errorf("id %q", got.ids[0])
	}
	got.reply <- fmt.Sprintf(ack, true)
	o.eventually("acknowledged", func(s outbound.State) bool { return s.Counters.Acknowledged == 1 && len(s.Waiting) == 0 })
}

func TestSender_HundredToAnEnvelope(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	names := make([]string, 205)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	o.create(names...)
	seen := 0
	for seen < len(names) {
		got := o.next()
		if len(got.ids) > outbound.MaxNotifications {
			t.Errorf("%d in an envelope", len(got.ids))
		}
		seen += len(got.ids)
		got.reply <- fmt.Sprintf(ack, true)
	}
	o.eventually("all acknowledged", func(s outbound.State) bool { return s.Counters.Acknowledged == len(names) })
	if r := o.state().Counters.Requests; r < 3 || r > 4 {
		t.Errorf("%d requests", r)
	}
}

func TestSender_RepeatsOutOfOrderWithTheLatestValues(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	id := o.create("first")[0]
	first := o.next()
	first.reply <- fmt.Sprintf(ack, false)
	o.eventually("refused", func(s outbound.State) bool { return s.Counters.Refused == 1 })
	if next := o.state().Waiting[0].Next; !next.Equal(noon.Add(10 * time.Second)) {
		t.Errorf("again at %v", next)
	}
	o.update(id, record.Row{"Name": "changed"})
	second := o.next()
	if len(second.ids) != 1 || second.ids[0] == first.ids[0] || second.names[0] != "changed" {
		t.Errorf("the update: %v %v", second.ids, second.names)
	}
	second.reply <- fmt.Sprintf(ack, true)
	o.eventually("the update is acknowledged", func(s outbound.State) bool { return s.Counters.Acknowledged == 1 })
	o.clock.Advance(10 * time.Second)
	again := o.next()
	if !slices.Equal(again.ids, first.ids) || again.names[0] != "changed" {
		t.Errorf("repeated %v with %v, want %v with the latest name", again.ids, again.names, first.ids)
	}
	again.reply <- fmt.Sprintf(ack, true)
	o.eventually("all is acknowledged", func(s outbound.State) bool { return len(s.Waiting) == 0 && s.Counters.Acknowledged == 2 })
}

func TestSender_IntervalGrowsAndADayIsTheEnd(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.create("a")
	waits := []time.Duration{10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 7200, 7200}
	at := noon
	answers := []string{"", "not xml", fmt.Sprintf(ack, "maybe"), fmt.Sprintf(ack, false), "<a/>"}
	for i, wait := range waits {
		got := o.next()
		got.reply <- answers[i%len(answers)]
		o.eventually("an attempt is over", func(s outbound.State) bool { return s.Counters.Refused == i+1 })
		at = at.Add(wait * time.Second)
		if next := o.state().Waiting[0].Next; !next.Equal(at) {
			t.Fatalf("attempt %d: again at %v, want %v", i+1, next, at)
		}
		o.clock.Set(at)
	}
	got := o.next()
	id := got.ids[0]
	got.reply <- ""
	o.eventually("the last attempt is over", func(s outbound.State) bool { return s.Counters.Refused == len(waits)+1 })
	o.clock.Set(noon.Add(24 * time.Hour))
	o.eventually("it expired", func(s outbound.State) bool {
		return len(s.Waiting) == 0 && len(s.Failed) == 1 && s.Counters.Expired == 1
	})
	if p := o.state().Failed[0]; p.ID != id || !strings.Contains(p.Problem, "500") {
		t.Errorf("failed: %+v", p)
	}
	if n := o.Resend(id); n != 1 {
		t.Errorf("resend: %d", n)
	}
	got = o.next()
	got.reply <- fmt.Sprintf(ack, true)
	o.eventually("acknowledged at last", func(s outbound.State) bool { return s.Counters.Acknowledged == 1 && len(s.Failed) == 0 })
	if got.ids[0] != id {
		t.Errorf("resent as %s, was %s", got.ids[0], id)
	}
}

func TestSender_AReceiverHasAMinute(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.create("a")
	o.next() // and no answer
	o.clock.Advance(time.Minute)
	o.eventually("it timed out", func(s outbound.State) bool { return s.Counters.Refused == 1 })
}

func TestSender_SendsWhatItIsToldTo(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(d *outbound.Definition) {
		d.On, d.Changed, d.SendSessionID, d.User = []string{"updated"}, []string{"phone"}, true, "ada"
	})
	ids := o.create("a", "b")
	o.update(ids[0], record.Row{"Name": "no matter"})
	o.update(ids[0], record.Row{"Phone": "1"})
	got := o.next()
	if len(got.ids) != 1 || !strings.Contains(got.body, "<sf:Phone>1</sf:Phone>") || !strings.Contains(got.body, "<SessionId>session of ada</SessionId>") {
		t.Errorf("%s", got.body)
	}
	// A record that is deleted before its notification is sent takes it along.
	o.update(ids[1], record.Row{"Phone": "2"})
	if err := o.records.Do(context.Background(), record.Actor{}, func(tx *record.Tx) error { return tx.Delete(o.account, ids[1]) }); err != nil {
		t.Fatal(err)
	}
	got.reply <- fmt.Sprintf(ack, true)
	o.eventually("nothing is left", func(s outbound.State) bool { return len(s.Waiting) == 0 && s.Counters.Vanished == 1 })
	if c := o.state().Counters; c.Created != 2 || c.Sent != 1 || c.Requests != 1 {
		t.Errorf("%+v", c)
	}
}

func TestDefinition_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	for want, d := range map[string]outbound.Definition{
		"no object":   {Name: "B", Object: "Nope", Endpoint: "http://x"},
		"no field":    {Name: "B", Object: "Account", Endpoint: "http://x", Fields: []string{"Nope__c"}},
		"no http":     {Name: "B", Object: "Account", Endpoint: "x"},
		"no name":     {Object: "Account", Endpoint: "http://x"},
		"want create": {Name: "B", Object: "Account", Endpoint: "http://x", On: []string{"deleted"}},
		"already":     {Name: "A", Object: "Account", Endpoint: "http://x"},
	} {
		if err := o.Declare(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzReadAck(f *testing.F) {
	f.Add(fmt.Sprintf(ack, true))
	f.Add(fmt.Sprintf(ack, false))
	f.Add("<a>")
	f.Add(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`)
	f.Fuzz(func(t *testing.T, answer string) {
		ok, err := outbound.ReadAck(strings.NewReader(answer))
		if ok && (err != nil || !strings.Contains(answer, "Ack")) {
			t.Errorf("%q is an acknowledgement, %v", answer, err)
		}
	})
}

// FuzzEnvelope checks that whatever a field holds comes out of the XML again.
func FuzzEnvelope(f *testing.F) {
	account, _ := schema.Default().Object("Account")
	f.Add("a & <b> ]]> \"c\" 'd' é")
	f.Fuzz(func(t *testing.T, name string) {
		e := outbound.Envelope{Object: account, Fields: []string{"Name"}, Notifications: []outbound.Notification{{ID: "1", Row: record.Row{"Id": "2", "Name": name}}}}
		var read struct {
			Name string `xml:"Body>notifications>Notification>sObject>Name"`
		}
		encoded := e.Encode()
		if err := xml.Unmarshal(encoded, &read); err != nil {
			t.Fatalf("%v in %q", err, encoded)
		}
		var clean bytes.Buffer
		_ = xml.EscapeText(&clean, []byte(name)) // replaces what XML cannot hold
		var want string
		if err := xml.Unmarshal([]byte("<x>"+clean.String()+"</x>"), &want); err != nil || read.Name != want {
			t.Errorf("%q became %q", name, read.Name)
		}
	})
}
