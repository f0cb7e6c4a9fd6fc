package cometd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// first returns the whole text of the only event of a poll, the replay id and
// UUID as "$replay" and "$uuid".
func first(t *testing.T, c *client, topic string) string {
	t.Helper()
	r := c.send(c.fill(connectMessage))
	text, ok := strings.CutSuffix(r.body, ","+c.fill(connectReply)+"]")
	if !ok {
		t.Fatalf("connect: %d %s", r.status, r.body)
	}
	events, _, err := c.org.bus.Read(nil, topic, bus.Earliest, 100, 1<<30)
	if err != nil || len(events) == 0 {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	text = strings.Replace(text[1:], `"replayId":`+number(uint64(last.Position)), `"replayId":$replay`, 1)
	return strings.Replace(text, last.ID, "$uuid", 1)
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEnvelope_PlatformEvent(t *testing.T) {
	t.Parallel()
	o := start(t)
	topic, _ := o.bus.Topic(stock)
	due := time.Date(2026, 8, 21, 7, 8, 9, 0, time.UTC)
	c, old, older := o.ready(t), o.client(t), o.client(t)
	old.path, older.path = "/cometd/51.0", "/cometd/42.0/handshake"
	for _, one := range []*client{old, older} {
		one.handshake().post(`[{"channel":"/meta/connect","clientId":"$id","connectionType":"long-polling","id":"2"}]`,
			`[{"clientId":"$id","advice":{"interval":0,"timeout":110000,"reconnect":"retry"},"channel":"/meta/connect","id":"2","successful":true}]`)
	}
	for _, one := range []*client{c, old, older} {
		one.subscribe(stock, "-1")
	}
	if _, err := o.bus.Publish(o.objects[0], record.Row{"Sku__c": `<A> "17" ü`, "Qty__c": 3.0, "Due__c": due}, someone); err != nil {
		t.Fatal(err)
	}
	payload := `"payload":{"CreatedDate":"2026-08-20T10:00:00.517Z","CreatedById":"005Dp000000PpjsIAC",` +
		`"Sku__c":"<A> \"17\" ü","Qty__c":3.0,"Due__c":"2026-08-21T07:08:09.000Z"}`
	head := `{"data":{"schema":"` + topic.Schema.ID + `",`
	want(t, first(t, c, stock), head+payload+`,"event":{"EventUuid":"$uuid","replayId":$replay}},"channel":"/event/Stock_Low__e"}`)
	want(t, first(t, old, stock), head+payload+`,"event":{"replayId":$replay}},"channel":"/event/Stock_Low__e"}`)
	want(t, first(t, older, stock), head+strings.ReplaceAll(strings.ReplaceAll(payload, ".517Z", "Z"), ".000Z", "Z")+
		`,"event":{"replayId":$replay}},"channel":"/event/Stock_Low__e"}`)
	if _, err := o.bus.Publish(o.objects[0], record.Row{"Qty__c": 0.125}, someone); err != nil {
		t.Fatal(err)
	}
	want(t, first(t, c, stock), head+`"payload":{"CreatedDate":"2026-08-20T10:00:00.517Z","CreatedById":"005Dp000000PpjsIAC",`+
		`"Sku__c":null,"Qty__c":0.125,"Due__c":null},"event":{"EventUuid":"$uuid","replayId":$replay}},"channel":"/event/Stock_Low__e"}`)
}

func TestEnvelope_ChangeEvents(t *testing.T) {
	t.Parallel()
	o := start(t)
	topic, _ := o.bus.Topic(changes)
	c := o.ready(t).subscribe(changes, "-1")
	modified := time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC)
	header := func(n string, changeType, changed string) string {
		return `{"data":{"schema":"` + topic.Schema.ID + `","payload":{"ChangeEventHeader":{"entityName":"Account","recordIds":["001Dp00000JJkkHIAT"],` +
			`"changeType":"` + changeType + `","changeOrigin":"com/salesforce/api/rest/67.0;client=x","transactionKey":"00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e",` +
			`"sequenceNumber":1,"commitTimestamp":1787220000517,"commitNumber":` + n + `,"commitUser":"005Dp000000PpjsIAC","changedFields":[` + changed + `]}`
	}
	const tail = `},"event":{"EventUuid":"$uuid","replayId":$replay}},"channel":"/data/AccountChangeEvent"}`
	check := func(changeType, changed, fields string) {
		t.Helper()
		got := first(t, c, changes)
		want(t, got, header(between(got, `"commitNumber":`, ","), changeType, changed)+fields+tail)
	}
	full := record.Row{
		"Name": "Acme", "BillingCity": "Reno", "Founded__c": time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), "LastModifiedDate": modified,
	}
	o.commit(record.Change{Type: record.Create, After: full})
	check("CREATE", "", `,"Name":"Acme","BillingAddress":{"City":"Reno"},"Founded__c":"1999-12-31","LastModifiedDate":"2026-08-20T10:00:00.000Z"`)
	o.commit(record.Change{
		Type: record.Update, Before: record.Row{"Name": "Acme", "Phone": "1", "BillingStreet": "1 Main", "BillingCity": "Reno"},
		After:   record.Row{"Name": "Acme", "BillingCity": "Elko", "LastModifiedDate": modified},
		Changed: []string{"Phone", "BillingStreet", "BillingCity", "LastModifiedDate"},
	})
	check("UPDATE", `"Phone","BillingAddress.Street","BillingAddress.City","LastModifiedDate"`,
		`,"Phone":null,"BillingAddress":{"Street":null,"City":"Elko"},"LastModifiedDate":"2026-08-20T10:00:00.000Z"`)
	o.commit(record.Change{
		Type: record.Update, Before: record.Row{"BillingCity": "Elko"}, After: record.Row{"LastModifiedDate": modified},
		Changed: []string{"BillingCity", "LastModifiedDate"},
	})
	check("UPDATE", `"BillingAddress.City","LastModifiedDate"`, `,"BillingAddress":{"City":null},"LastModifiedDate":"2026-08-20T10:00:00.000Z"`)
	o.commit(record.Change{Type: record.Delete, Before: full})
	check("DELETE", "", "")
	o.commit(record.Change{Type: record.Undelete, After: full})
	check("UNDELETE", "", `,"Name":"Acme","BillingAddress":{"City":"Reno"},"Founded__c":"1999-12-31","LastModifiedDate":"2026-08-20T10:00:00.000Z"`)
	if err := o.bus.AddGap(bus.Gap{Object: "Account", RecordIDs: []string{"001Dp00000JJkkHIAT"}}); err != nil {
		t.Fatal(err)
	}
	if got := first(t, c, changes); !strings.Contains(got, `"changeType":"GAP_UPDATE","changeOrigin":""`) || !strings.Contains(got, `"changedFields":[]}},"event"`) {
		t.Errorf("gap: %s", got)
	}
}

func TestEnvelope_PushTopic(t *testing.T) {
	t.Parallel()
	o := start(t)
	if _, err := o.bus.DeclarePushTopic(bus.PushTopic{
		Name: "Energy", Query: "SELECT Id, Name, Phone FROM Account WHERE Industry = 'Energy'",
	}); err != nil {
		t.Fatal(err)
	}
	c := o.ready(t).subscribe("/topic/Energy", "-1")
	acme := o.ready(t).subscribe("/topic/Energy?Name=Acme", "-1")
	acme.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"/topic/Energy?Industry=x&Name=y","id":"3"}]`,
		`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"/topic/Energy?Industry=x&Name=y",`+
			`"error":"400::Query fields {Industry} do not exist on the topic entity","successful":false}]`)
	event := func(channel, kind, sobject string) string {
		return `{"data":{"event":{"createdDate":"2026-08-20T10:00:00.517Z","replayId":$replay,"type":"` + kind + `"},"sobject":` + sobject + `},"channel":"` + channel + `"}`
	}
	energy := record.Row{"Name": "Zeta", "Industry": "Energy"}
	o.commit(record.Change{Type: record.Create, After: record.Row{"Name": "Other", "Industry": "Media"}})
	o.commit(record.Change{Type: record.Create, After: energy})
	want(t, first(t, c, "/topic/Energy"), event("/topic/Energy", "created", `{"Id":"001Dp00000JJkkHIAT","Name":"Zeta","Phone":null}`))
	o.commit(record.Change{Type: record.Update, Before: energy, After: energy, Changed: []string{"BillingCity", "LastModifiedDate"}}) // not referenced
	renamed := record.Row{"Name": "Acme", "Industry": "Energy", "Phone": "1"}
	o.commit(record.Change{Type: record.Update, Before: energy, After: renamed, Changed: []string{"Name", "Phone"}})
	updated := `{"Id":"001Dp00000JJkkHIAT","Name":"Acme","Phone":"1"}`
	want(t, first(t, c, "/topic/Energy"), event("/topic/Energy", "updated", updated))
	want(t, first(t, acme, "/topic/Energy"), event("/topic/Energy?Name=Acme", "updated", updated))
	o.commit(record.Change{Type: record.Delete, Before: renamed})
	want(t, first(t, c, "/topic/Energy"), event("/topic/Energy", "deleted", `{"Id":"001Dp00000JJkkHIAT"}`))
	o.commit(record.Change{Type: record.Undelete, After: renamed})
	want(t, first(t, c, "/topic/Energy"), event("/topic/Energy", "undeleted", updated))
	o.clock.Advance(25 * time.Hour)
	late := o.ready(t).subscribe("/topic/Energy", "-2")
	answer := late.connect()
	o.held(t, 1)
	o.clock.Advance(110 * time.Second)
	if got := late.read(<-answer); len(got) != 0 {
		t.Errorf("a day later: %v", got)
	}
}

func TestEnvelope_GenericChannel(t *testing.T) {
	t.Parallel()
	o := start(t)
	if _, err := o.bus.DeclareGeneric(bus.StreamingChannel{Name: "/u/notifications"}); err != nil {
		t.Fatal(err)
	}
	c := o.ready(t).subscribe("/u/notifications", "-1")
	user := string(o.sessions.Users()[0].ID)
	n, err := o.bus.Push("/u/notifications", bus.GenericEvent{Payload: "not for you", UserIDs: []string{string(o.sessions.Users()[1].ID)}},
		bus.GenericEvent{Payload: `hello "you"`, UserIDs: []string{user[:15]}})
	if err != nil || n != 1 {
		t.Fatalf("fan-out %d, %v", n, err)
	}
	want(t, first(t, c, "/u/notifications"),
		`{"data":{"event":{"createdDate":"2026-08-20T10:00:00.517Z","replayId":$replay},"payload":"hello \"you\""},"channel":"/u/notifications"}`)
}

func TestEnvelope_PoisonIsLeftOut(t *testing.T) {
	t.Parallel()
	o := start(t)
	topic, _ := o.bus.Topic(stock)
	c := o.ready(t).subscribe(stock, "-1")
	if _, err := o.bus.Append(stock, bus.Draft{SchemaID: topic.Schema.ID, Payload: []byte{1, 2, 3}}, bus.Draft{SchemaID: "none"}); err != nil {
		t.Fatal(err)
	}
	id := o.publish(t, "good")
	if got := c.events(); uuids(got) != id {
		t.Errorf("got %v", got)
	}
	if n := o.server.Stats().Unreadable; n != 2 {
		t.Errorf("%d unreadable events", n)
	}
}
