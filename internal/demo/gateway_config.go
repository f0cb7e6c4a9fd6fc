package demo

import (
	"fmt"
	"net"
	"os"
)

// gatewayConfig is the configuration that the demo writes; it is what a user
// would write, but for the simulated org's addresses.
const gatewayConfig = `# Written by sallyport demo. Every key is explained in docs/config.md.
org:
  login_url: %s
  client_id: %s
  client_secret: ${SF_CLIENT_SECRET:-%s}
  pubsub: {endpoint: "%s", plaintext: true}

store: %s

control: {listen: "%s"}

routes:
  # Platform events, in order for each order number.
  orders:
    pattern: events
    topic: /event/Order_Event__e
    order_by: Order_Number__c
    concurrency: 16
    to: {url: "%s/orders", secrets: ["${WEBHOOK_SECRET:-%s}"]}
    retry: {first: 200ms, max: 2s}
    breaker: {probe_max: 1s}

  # Record changes, in order for each record.
  accounts:
    pattern: events
    topic: /data/AccountChangeEvent
    order_by: record
    to: {url: "%s/accounts", secrets: ["${WEBHOOK_SECRET:-%s}"]}
    retry: {first: 200ms, max: 2s}
    breaker: {probe_max: 1s}
`

// gatewaySettings fills gatewayConfig.
type gatewaySettings struct {
	loginURL, clientID, clientSecret, pubSub string
	store, control, app, webhookSecret       string
}

func (s gatewaySettings) write(file string) error {
	text := fmt.Sprintf(gatewayConfig, s.loginURL, s.clientID, s.clientSecret, s.pubSub, s.store, s.control,
		s.app, s.webhookSecret, s.app, s.webhookSecret)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the gateway's configuration: %w", err)
	}
	return nil
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
