package conduct

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	hidden "github.com/sallyport-dev/sallyport/internal/secret"
)

const orderTopic = "/event/Order_Event__e"

// simulated is a simulated org in a process of its own.
type simulated struct {
	cmd        *exec.Cmd
	url, event string // its address, and that of its Pub/Sub API
}

func startSimulated(ctx context.Context, bin, dir string) (*simulated, error) {
	web, event, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	s := &simulated{url: "http://" + web, event: event}
	s.cmd = exec.CommandContext(ctx, filepath.Join(bin, "sallyport"),
		"orgsim", "--http", web, "--pubsub", event, "--pubsub-tls", "off", "--data", filepath.Join(dir, "org"))
	s.cmd.Stderr = &tail{}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start orgsim: %w", err)
	}
	return s, untilAnswered(ctx, s.url+"/_sim/clock", s.cmd.Stderr)
}

func (s *simulated) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// publish publishes orders of 500 numbers in turn until ctx is done, as many as are
// due by the clock, at most 200 a request.
func (s *simulated) publish(ctx context.Context, rate float64, note *recorder) error {
	live := context.WithoutCancel(ctx) // what has begun is seen through
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: s.url, ClientID: orgsim.DefaultClientID, ClientSecret: hidden.New(orgsim.DefaultClientSecret),
	}, nil)
	if err != nil {
		return err
	}
	bus, err := pubsub.New(pubsub.Config{Address: s.event, Plaintext: true}, tokens)
	if err != nil {
		return err
	}
	defer bus.Close()
	topic, encoder, schemaID, err := orderEncoder(live, bus, tokens)
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for due := int(time.Since(began).Seconds() * rate); sent < due && ctx.Err() == nil; {
			n := min(200, due-sent)
			if err := publishOrders(live, bus, topic, encoder, schemaID, note, n); err != nil {
				return err
			}
			sent += n
		}
	}
}

func orderEncoder(ctx context.Context, bus *pubsub.Client, tokens *auth.Source) (salesforce.Topic, *pubsub.Encoder, string, error) {
	topic, err := salesforce.ParseTopic(orderTopic)
	if err != nil {
		return topic, nil, "", err
	}
	about, err := bus.GetTopic(ctx, topic)
	if err != nil {
		return topic, nil, "", err
	}
	schema, err := bus.Schema(ctx, about.SchemaID)
	if err != nil {
		return topic, nil, "", err
	}
	token, err := tokens.Token(ctx)
	if err != nil {
		return topic, nil, "", err
	}
	encoder, err := pubsub.NewEncoder(schema, token.UserID, nil)
	return topic, encoder, about.SchemaID, err
}

// publishOrders publishes n orders under ids that end with their numbers.
func publishOrders(ctx context.Context, bus *pubsub.Client, topic salesforce.Topic, encoder *pubsub.Encoder, schemaID string, note *recorder, n int) error {
	events := make([]pubsub.OutEvent, n)
	first := note.publishing(n)
	for i := range events {
		object, err := json.Marshal(map[string]any{"Order_Number__c": fmt.Sprintf("O-%03d", (first+i)%500), "Amount__c": first + i, "Status__c": "Placed"})
		if err != nil {
			return err
		}
		events[i].ID = fmt.Sprintf("00000001-5a11-4000-8000-%012x", first+i)
		if events[i].Payload, err = encoder.Encode(object); err != nil {
			return err
		}
	}
	results, err := bus.Publish(ctx, topic, schemaID, events)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	return err
}

// gateway is one gateway as people run it.
type gateway struct {
	cmd    *exec.Cmd
	exited chan error
}

// startGateway starts the next gateway and waits until it is ready.
func (d *rollout) startGateway(ctx context.Context) (*gateway, error) {
	control, _, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	d.made++
	file := filepath.Join(d.dir, fmt.Sprintf("gateway-%d.yaml", d.made))
	config := fmt.Sprintf(`org: {login_url: %q, client_id: %q, client_secret: "${BENCH_SECRET}", pubsub: {endpoint: %q, plaintext: true}}
store: %q
control: {listen: %q}
log: {level: warn}
routes:
  orders: {pattern: events, topic: %q, order_by: Order_Number__c, to: {url: %q}}
`, d.org.url, orgsim.DefaultClientID, d.org.event, d.store, control, orderTopic, d.app.url)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	g := &gateway{cmd: exec.CommandContext(ctx, filepath.Join(d.Bin, "sallyport"), "run", "--config", file), exited: make(chan error, 1)}
	g.cmd.Env = append(os.Environ(), "BENCH_SECRET="+orgsim.DefaultClientSecret)
	g.cmd.Stderr = &tail{}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	go func() { g.exited <- g.cmd.Wait() }()
	if err := untilAnswered(ctx, "http://"+control+"/readyz", g.cmd.Stderr); err != nil {
		g.kill()
		return nil, err
	}
	return g, nil
}

// stop tells the gateway to stop and waits for its end.
func (g *gateway) stop(ctx context.Context) error {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-g.exited:
		g.exited <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill ends a gateway that may have ended already.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	g.exited <- <-g.exited
}

// untilAnswered waits until a URL answers 200.
func untilAnswered(ctx context.Context, url string, said any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %s", url, ctx.Err(), said)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
}

func twoAddresses() (one, two string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer b.Close()
	return a.Addr().String(), b.Addr().String(), nil
}
