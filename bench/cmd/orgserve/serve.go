package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	simbus "github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// access is how a subscriber reaches a server; the server prints it when ready.
type access struct {
	Address  string `json:"address"`
	Topic    string `json:"topic"`
	Token    string `json:"token"`
	Instance string `json:"instance"`
	Tenant   string `json:"tenant"`
}

func (a access) say() error { return json.NewEncoder(os.Stdout).Encode(a) }

// payloadSize is that of the other benchmarks' events.
const payloadSize = 1015

// serveBare serves prebuilt responses until it is killed.
func serveBare(events int) error {
	stream, err := backlog.NewStream(1)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(bus.Codec()))
	pubsubpb.RegisterPubSubServer(s, bus.New(stream, uint64(events), 100))
	if err := (access{Address: l.Addr().String(), Topic: "/data/AccountChangeEvent", Token: "t", Instance: "http://localhost", Tenant: "00D"}).say(); err != nil {
		return err
	}
	return s.Serve(l)
}

// serveOrg serves the same number of events of the same size from a simulated
// org, until it is killed.
func serveOrg(events int) error {
	org, err := orgsim.Start(context.Background(), orgsim.Config{})
	if err != nil {
		return err
	}
	const topic = "/event/Order_Event__e"
	info, ok := org.Bus().Topic(topic)
	if !ok {
		return fmt.Errorf("the org has no topic %s", topic)
	}
	for left := events; left > 0; {
		drafts := make([]simbus.Draft, min(left, 500))
		for i := range drafts {
			drafts[i] = simbus.Draft{SchemaID: info.Schema.ID, Payload: make([]byte, payloadSize)}
		}
		if _, err := org.Bus().Append(topic, drafts...); err != nil {
			return err
		}
		left -= len(drafts)
	}
	session, err := org.Sessions().Login(orgsim.DefaultUsername)
	if err != nil {
		return err
	}
	if err := (access{Address: org.PubSubAddr(), Topic: topic, Token: session.Token, Instance: org.URL(), Tenant: string(org.OrgID())}).say(); err != nil {
		return err
	}
	return org.Wait()
}
