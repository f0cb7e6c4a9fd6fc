package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// written is a route to an application whose answers go to the org.
const written = `org:
  login_url: https://acme.my.salesforce.com
  client_id: id
  client_secret: ${SECRET}
routes:
  orders:
    pattern: events
    topic: /event/Order_Event__e
    to: {url: "http://localhost:3000/events"}
    reply: write-back
  write-back:
    arrives: reply
    to:
      salesforce: {object: Account, operation: upsert, external_id: External_Id__c}
`

func TestParse_ReadsRoutesToTheOrg(t *testing.T) {
	t.Parallel()
	s := load(t, written)
	got := s.Routes["write-back"]
	want := config.Salesforce{
		Object: "Account", Operation: "upsert", ExternalID: "External_Id__c", Via: "pubsub", Batch: 200,
		Timeout: time.Minute, BulkTimeout: 10 * time.Minute,
	}
	if got.Waits != config.WaitsStore || got.To.Salesforce.Batch != want.Batch || got.To.Salesforce.Timeout != want.Timeout ||
		got.To.Salesforce.BulkTimeout != want.BulkTimeout || got.To.Salesforce.Via != want.Via || got.To.Salesforce.BulkOver != 0 {
		t.Errorf("%+v", got.To.Salesforce)
	}
	if r := s.Routes["orders"].Reply; r.To != "write-back" || r.MaxAnswer != 1<<20 {
		t.Errorf("reply %+v", r)
	}
	var shown strings.Builder
	if err := s.Show(&shown); err != nil {
		t.Fatal(err)
	}
	if text := shown.String(); strings.Count(text, "retry_statuses") != 1 || strings.Count(text, "external_id") != 1 || strings.Count(text, "max_answer") != 1 {
		t.Errorf("keys of the other way out are shown:\n%s", text)
	}
}

func TestParse_HoldsRoutesToWhatCanBeWritten(t *testing.T) {
	t.Parallel()
	target := `{object: Account, operation: upsert, external_id: External_Id__c}`
	change := func(from, to string) string {
		if !strings.Contains(written, from) {
			t.Fatalf("nothing to change: %s", from)
		}
		return strings.Replace(written, from, to, 1)
	}
	for name, c := range map[string]struct{ src, want string }{
		"two ways out":          {change("      salesforce:", "      url: http://localhost:1/\n      salesforce:"), "routes.write-back.to.salesforce: given beside url"},
		"timeout of http":       {change("      salesforce:", "      timeout: 5s\n      salesforce:"), "routes.write-back.to.timeout: is not used by a route that goes to salesforce"},
		"object and event":      {change(target, `{object: Account, operation: create, publish: X__e}`), "routes.write-back.to.salesforce: names more than one of object, publish and allow"},
		"no operation":          {change(target, `{object: Account}`), "routes.write-back.to.salesforce.operation: missing"},
		"operation of nothing":  {change(target, `{publish: X__e, operation: create}`), "routes.write-back.to.salesforce.operation: has no meaning without object"},
		"upsert by nothing":     {change(target, `{object: Account, operation: upsert}`), "routes.write-back.to.salesforce.external_id: missing"},
		"create by a field":     {change(target, `{object: Account, operation: create, external_id: X__c}`), "routes.write-back.to.salesforce.external_id: is used by operation: upsert, update and delete only"},
		"idempotent update":     {change(target, `{object: Account, operation: update, idempotency_field: X__c}`), "routes.write-back.to.salesforce.idempotency_field: is used by operation: create only"},
		"event as a record":     {change(target, `{object: X__e, operation: create}`), "routes.write-back.to.salesforce.object: is a platform event"},
		"not an event":          {change(target, `{publish: Account}`), "routes.write-back.to.salesforce.publish: "},
		"allowing nonsense":     {change(target, `{allow: [Account]}`), "routes.write-back.to.salesforce.allow[0]: "},
		"bulk beyond the batch": {change(target, `{object: Account, operation: delete, bulk_over: 200}`), "routes.write-back.to.salesforce.bulk_over: is not below batch"},
		"bulk beyond the lanes": {change(target, `{object: Account, operation: delete, batch: 1000, bulk_over: 500}`), "routes.write-back.to.salesforce.bulk_over: is never reached"},
		"nobody answers":        {change("    reply: write-back\n", ""), "routes.write-back.arrives: is reply, but no route names it"},
		"answer to nowhere":     {change("reply: write-back", "reply: gone"), "routes.orders.reply.to: no route is called gone"},
		"answer to itself":      {change("reply: write-back", "reply: orders"), "routes.orders.reply.to: answers would go round in a circle"},
		"answers of the org":    {written + "    reply: orders\n", "routes.write-back.reply.to: only an application that events are posted to (to.url) answers"},
		"answers to batches":    {change(`"http://localhost:3000/events"}`, `"http://localhost:3000/events", batch: 5}`), "routes.orders.reply.to: answers to batches are not read"},
		"a bound and no route":  {change("reply: write-back", "reply: {max_answer: 2MiB}"), "routes.orders.reply.to: missing"},
		"topic of answers":      {change("arrives: reply", "arrives: reply\n    topic: /event/A__e"), "routes.write-back.topic: is not used by a route with arrives: reply"},
		"an org that waits":     {change("arrives: reply", "arrives: callout\n    waits: none"), "routes.write-back.waits: is none, but a write to the org has no answer"},
		"no org":                {written[strings.Index(written, "routes:"):], "org"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text := refuse(t, c.src).Error(); !strings.Contains(text, c.want) {
				t.Errorf("want %q in:\n%s", c.want, text)
			}
		})
	}
}

// An attempt of an ordered route has one event of each lane, so a job of as many
// records is the largest that one can fill.
func TestParse_KnowsHowManyEventsAnOrderedAttemptHas(t *testing.T) {
	t.Parallel()
	with := func(over int) string {
		return strings.Replace(written, "external_id: External_Id__c", fmt.Sprintf("external_id: External_Id__c, batch: 1000, bulk_over: %d", over), 1)
	}
	load(t, with(delivery.Lanes-1))
	refuse(t, with(delivery.Lanes))
}
