package orgsim_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	oracle "github.com/twmb/avro"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg orgsim.Config) *orgsim.Org {
	t.Helper()
	o, err := orgsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return o
}

// caller speaks to an org over HTTP with one access token.
type caller struct {
	org    *orgsim.Org
	client *http.Client
	token  string
}

func login(t *testing.T, o *orgsim.Org) *caller {
	t.Helper()
	c := &caller{org: o, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}}
	response, err := c.client.PostForm(o.URL()+"/services/oauth2/token", form) // bounded by the test
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("login: %s, %v", response.Status, err)
	}
	c.token = answer.AccessToken
	return c
}

func (c *caller) do(t *testing.T, method, path string, body any) (int, map[string]any) {
	t.Helper()
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, c.org.URL()+path, content)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, answer
}

// dial opens the Pub/Sub API with the caller's token.
func (c *caller) dial(t *testing.T, address string, with credentials.TransportCredentials) (pubsubpb.PubSubClient, context.Context) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return pubsubpb.NewPubSubClient(conn), metadata.AppendToOutgoingContext(ctx,
		"accesstoken", c.token, "instanceurl", c.org.URL(), "tenantid", string(c.org.OrgID()))
}

func (c *caller) plain(t *testing.T) (pubsubpb.PubSubClient, context.Context) {
	t.Helper()
	return c.dial(t, c.org.PubSubAddr(), insecure.NewCredentials())
}

// fetch asks for n events and returns them.
func fetch(t *testing.T, client pubsubpb.PubSubClient, ctx context.Context, r *pubsubpb.FetchRequest) []*pubsubpb.ConsumerEvent {
	t.Helper()
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err) // EOF: Recv tells how the stream ended
	}
	var events []*pubsubpb.ConsumerEvent
	for len(events) < int(r.GetNumRequested()) {
		response, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, response.GetEvents()...)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return events
}

func decode(t *testing.T, client pubsubpb.PubSubClient, ctx context.Context, e *pubsubpb.ConsumerEvent) map[string]any {
	t.Helper()
	info, err := client.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: e.GetEvent().GetSchemaId()})
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if _, err := oracle.MustParse(info.GetSchemaJson()).Decode(e.GetEvent().GetPayload(), &v); err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func TestOrg_RecordChangesBecomeChangeEvents(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	status, created := c.do(t, http.MethodPost, "/services/data/v67.0/sobjects/Account", map[string]any{"Name": "Acme", "BillingCity": "Reno", "Phone": "1"})
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, created)
	}
	path := "/services/data/v67.0/sobjects/Account/" + created["id"].(string)
	if status, body := c.do(t, http.MethodPatch, path, map[string]any{"BillingCity": "Elko", "Phone": nil}); status != http.StatusNoContent {
		t.Fatalf("update: %d %v", status, body)
	}
	if status, body := c.do(t, http.MethodDelete, path, nil); status != http.StatusNoContent {
		t.Fatalf("delete: %d %v", status, body)
	}
	client, ctx := c.plain(t)
	for _, topic := range []string{"/data/AccountChangeEvent", bus.ChangeEvents} {
		events := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 3})
		create, update, remove := decode(t, client, ctx, events[0]), decode(t, client, ctx, events[1]), decode(t, client, ctx, events[2])
		header := update["ChangeEventHeader"].(map[string]any)
		if header["changeType"] != "UPDATE" || header["entityName"] != "Account" || header["recordIds"].([]any)[0] != created["id"] ||
			!strings.HasPrefix(header["changeOrigin"].(string), "com/salesforce/api/rest/67.0") || header["sequenceNumber"] != int32(1) {
			t.Errorf("%s: header %v", topic, header)
		}
		if create["Name"] != "Acme" || create["BillingAddress"].(map[string]any)["City"] != "Reno" || create["Phone"] != "1" {
			t.Errorf("%s: create %v", topic, create)
		}
		if update["Name"] != nil || update["BillingAddress"].(map[string]any)["City"] != "Elko" || update["Phone"] != nil || update["LastModifiedDate"] == nil {
			t.Errorf("%s: update %v", topic, update)
		}
		if len(header["changedFields"].([]any)) != 2 || len(header["nulledFields"].([]any)) != 1 {
			t.Errorf("%s: changed %v, nulled %v", topic, header["changedFields"], header["nulledFields"])
		}
		if remove["ChangeEventHeader"].(map[string]any)["changeType"] != "DELETE" || remove["Name"] != nil || remove["LastModifiedDate"] != nil {
			t.Errorf("%s: delete %v", topic, remove)
		}
	}
}

func TestOrg_RESTPublishReachesASubscriberOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := start(t, orgsim.Config{DataDir: dir, PubSubAddr: orgsim.Off})
	c := login(t, o)
	status, answer := c.do(t, http.MethodPost, "/services/data/v67.0/sobjects/Order_Event__e", map[string]any{"Order_Number__c": "42", "Amount__c": 9.5})
	if status != http.StatusCreated {
		t.Fatalf("publish: %d %v", status, answer)
	}
	uuid := answer["errors"].([]any)[0].(map[string]any)["message"]
	pool := x509.NewCertPool()
	if written, err := os.ReadFile(filepath.Join(dir, "pubsub-ca.pem")); err != nil || !pool.AppendCertsFromPEM(written) || !bytes.Equal(written, o.CACertPEM()) {
		t.Fatalf("the authority in the data directory: %v", err)
	}
	client, ctx := c.dial(t, o.PubSubTLSAddr(), credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	events := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 1})
	fields := decode(t, client, ctx, events[0])
	if events[0].GetEvent().GetId() != uuid || fields["Order_Number__c"] != "42" || fields["Amount__c"] != 9.5 || fields["CreatedById"] != string(o.Sessions().Users()[0].ID) {
		t.Errorf("event %s, told %v: %v", events[0].GetEvent().GetId(), uuid, fields)
	}
}

func TestOrg_RestartKeepsEventsPositionsAndRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const topic = "/event/Order_Event__e"
	first := start(t, orgsim.Config{DataDir: dir})
	var ids []string
	for _, number := range []string{"1", "2", "3"} {
		id, err := first.Publish("Order_Event__e", map[string]any{"Order_Number__c": number})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	c := login(t, first)
	_, account := c.do(t, http.MethodPost, "/services/data/v67.0/sobjects/Account", map[string]any{"Name": "Acme"})
	client, ctx := c.plain(t)
	before := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 1})
	authority := first.CACertPEM()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := start(t, orgsim.Config{DataDir: dir})
	if !bytes.Equal(second.CACertPEM(), authority) {
		t.Error("another certificate authority after the restart")
	}
	again := login(t, second)
	client, ctx = again.plain(t)
	events := fetch(t, client, ctx, &pubsubpb.FetchRequest{
		TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: before[0].GetReplayId(), NumRequested: 2,
	})
	if events[0].GetEvent().GetId() != ids[1] || events[1].GetEvent().GetId() != ids[2] || decode(t, client, ctx, events[1])["Order_Number__c"] != "3" {
		t.Errorf("after the restart: %v", events)
	}
	id, err := second.Publish("Order_Event__e", map[string]any{"Order_Number__c": "4"})
	if err != nil {
		t.Fatal(err)
	}
	events = fetch(t, client, ctx, &pubsubpb.FetchRequest{
		TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: events[1].GetReplayId(), NumRequested: 1,
	})
	if events[0].GetEvent().GetId() != id {
		t.Error("the new event is not after the old ones")
	}
	if got := second.Published(topic); len(got) != 4 || got[0] != ids[0] || got[3] != id {
		t.Errorf("ground truth after the restart: %v", got)
	}
	if status, row := again.do(t, http.MethodGet, "/services/data/v67.0/sobjects/Account/"+account["id"].(string), nil); status != http.StatusOK || row["Name"] != "Acme" {
		t.Errorf("the row after the restart: %d %v", status, row)
	}
}

func TestOrg_RefusesAnImpossibleConfiguration(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]orgsim.Config{
		"short org id":    {OrgID: "00DSp0000000001"},
		"no http":         {HTTPAddr: orgsim.Off},
		"missing schema":  {Schema: filepath.Join(t.TempDir(), "none.yaml")},
		"address in use?": {HTTPAddr: "256.0.0.1:1"},
		"bad managed":     {Managed: []bus.ManagedSubscription{{DeveloperName: "X", Topic: "/event/None__e"}}},
	} {
		if o, err := orgsim.Start(t.Context(), cfg); err == nil {
			_ = o.Close()
			t.Errorf("%s: started", name)
		}
	}
}

func TestOrg_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	o, err := orgsim.Start(ctx, orgsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := o.Wait(); err != nil {
		t.Error(err)
	}
}
