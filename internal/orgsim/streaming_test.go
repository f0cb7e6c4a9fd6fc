package orgsim_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestOrg_AllocationsAreCountedShownAndEnforced(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{DailyDelivered: 3, HourlyPublished: 4, StreamingClients: 7})
	c := login(t, o)
	publish := func() (int, map[string]any) {
		return c.do(t, http.MethodPost, "/services/data/v67.0/composite", map[string]any{"compositeRequest": []any{map[string]any{
			"method": "POST", "url": "/services/data/v67.0/sobjects/Order_Event__e", "referenceId": "e", "body": map[string]any{"Order_Number__c": "1"},
		}}})
	}
	for i := range 5 {
		code, answer := publish()
		part := answer["compositeResponse"].([]any)[0].(map[string]any)
		if code != http.StatusOK || (part["httpStatusCode"] == 201.0) != (i < 4) {
			t.Fatalf("publish %d: %v", i, part)
		}
		if i == 4 && part["body"].([]any)[0].(map[string]any)["errorCode"] != "LIMIT_EXCEEDED" {
			t.Errorf("beyond the allocation: %v", part["body"])
		}
	}
	client, ctx := c.plain(t)
	fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 3})
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pubsubpb.FetchRequest{TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 1}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if status.Code(err) != codes.ResourceExhausted || !slices.Equal(stream.Trailer().Get("error-code"), []string{"sfdc.platform.eventbus.grpc.subscription.limit.exceeded"}) ||
		!strings.HasPrefix(status.Convert(err).Message(), "You have exceeded the event delivery limit for your org.") {
		t.Errorf("a fourth delivery: %v, %v", err, stream.Trailer())
	}
	topic, err := client.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: "/event/Order_Event__e"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Publish(ctx, &pubsubpb.PublishRequest{TopicName: topic.GetTopicName(), Events: []*pubsubpb.ProducerEvent{{SchemaId: topic.GetSchemaId()}}})
	if err != nil || answer.GetResults()[0].GetError().GetCode() != pubsubpb.ErrorCode_PUBLISH {
		t.Errorf("publish over gRPC: %v, %v", answer, err)
	}
	_, limits := c.do(t, http.MethodGet, "/services/data/v67.0/limits", nil)
	for name, want := range map[string][2]float64{
		"DailyDeliveredPlatformEvents": {3, 0}, "HourlyPublishedPlatformEvents": {4, 0}, "DurableStreamingApiConcurrentClients": {7, 7},
	} {
		if got := limits[name].(map[string]any); got["Max"] != want[0] || got["Remaining"] != want[1] {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if code, _ := c.do(t, http.MethodPost, "/_sim/allocations/reset", nil); code != http.StatusOK {
		t.Errorf("reset: %d", code)
	}
	if _, answer := publish(); answer["compositeResponse"].([]any)[0].(map[string]any)["httpStatusCode"] != 201.0 {
		t.Errorf("after a reset: %v", answer)
	}
}

func TestOrg_AMoveInvalidatesReplayIDsAndEndsStreams(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	id, err := o.Publish("Order_Event__e", map[string]any{"Order_Number__c": "1"})
	if err != nil {
		t.Fatal(err)
	}
	client, ctx := c.plain(t)
	earliest := &pubsubpb.FetchRequest{TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 1}
	before := fetch(t, client, ctx, earliest)[0]
	if code, _ := c.do(t, http.MethodPost, "/_sim/org/move", nil); code != http.StatusOK {
		t.Fatalf("move: %d", code)
	}
	client, ctx = c.plain(t)
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pubsubpb.FetchRequest{
		TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: before.GetReplayId(), NumRequested: 1,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an old position: %v", err)
	}
	after := fetch(t, client, ctx, earliest)[0]
	if after.GetEvent().GetId() != id || string(after.GetReplayId()) <= string(before.GetReplayId()) {
		t.Errorf("after the move: %v, before: %v", after, before)
	}
}

func TestControl_ShapesTheBus(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	for path, body := range map[string]map[string]any{
		"/_sim/gap":                {"object": "Account", "recordIds": []string{"001Dp00000JJkkHIAT"}},
		"/_sim/pushtopics":         {"Name": "Accounts", "Query": "SELECT Id FROM Account"},
		"/_sim/streaming-channels": {"Name": "/u/x"},
		"/_sim/channels":           {"name": "Sales__chn", "channelType": "data"},
	} {
		if code, answer := c.do(t, http.MethodPost, path, body); code != http.StatusCreated {
			t.Errorf("%s: %d %v", path, code, answer)
		}
		body = map[string]any{"object": "None", "channel": "None"}
		if path != "/_sim/gap" {
			body = nil
		}
		if code, _ := c.do(t, http.MethodPost, path, body); code != http.StatusBadRequest {
			t.Errorf("%s with nonsense: %d", path, code)
		}
	}
	if code, answer := c.do(t, http.MethodPost, "/_sim/channel-members", map[string]any{"eventChannel": "Sales__chn", "selectedEntity": "AccountChangeEvent"}); code != http.StatusCreated {
		t.Errorf("member: %d %v", code, answer)
	}
	if code, answer := c.do(t, http.MethodPost, "/_sim/push", map[string]any{"channel": "/u/x", "events": []any{map[string]any{"payload": "p"}}}); code != http.StatusCreated {
		t.Errorf("push: %d %v", code, answer)
	}
	if code, _ := c.do(t, http.MethodPost, "/_sim/push", map[string]any{"channel": "/u/none"}); code != http.StatusBadRequest {
		t.Errorf("push to nothing: %d", code)
	}
	if n := len(o.Published("/data/AccountChangeEvent")); n != 1 {
		t.Errorf("%d gap events", n)
	}
}
