package pubsub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// DefaultAddress is the global endpoint; it routes by the metadata of each call.
	DefaultAddress = "api.pubsub.salesforce.com:7443"
	// MaxCredit is the most events that may be outstanding on one stream; the
	// server treats more as this many.
	MaxCredit = 100
	// maxMessage bounds one message from the server. Responses have at most 3 MB
	// and a single event at most 1 MB, so this is only a guard.
	maxMessage = 16 << 20
)

// Config says how to reach the event bus.
type Config struct {
	// Address is host:port; default DefaultAddress.
	Address string
	// TLS carries a custom CA or client certificate; nil means the system's roots.
	TLS *tls.Config
	// Plaintext turns TLS off. The access token then travels in the clear, so it
	// is refused for hosts other than loopback unless PlaintextAnywhere is set too.
	Plaintext         bool
	PlaintextAnywhere bool
	// KeepAlive is the time without traffic after which the connection is
	// pinged, and KeepAliveTimeout how long an answer may take. Defaults 90 s and
	// 20 s: a server with gRPC's default policy forgives three pings between two
	// of its own messages, which come at least every 270 s.
	KeepAlive        time.Duration
	KeepAliveTimeout time.Duration
	// CallTimeout bounds a unary call; default 30 s.
	CallTimeout time.Duration
	// Credit is the number of events to keep requested; default and at most MaxCredit.
	Credit int
	// ReadAhead bounds how many events a Subscription holds that were received
	// but not yet taken: when it is reached no more credit is given. Default 1,000.
	ReadAhead int
	// ReadAheadBytes is the same bound in payload bytes; default 8 MiB.
	ReadAheadBytes int
	// Schemas bounds the schema cache; default 256.
	Schemas int
}

// WithDefaults returns a copy with unset fields set.
func (c Config) WithDefaults() Config {
	if c.Address == "" {
		c.Address = DefaultAddress
	}
	setDefault(&c.KeepAlive, 90*time.Second)
	setDefault(&c.KeepAliveTimeout, 20*time.Second)
	setDefault(&c.CallTimeout, 30*time.Second)
	setDefault(&c.Credit, MaxCredit)
	setDefault(&c.ReadAhead, 1000)
	setDefault(&c.ReadAheadBytes, 8<<20)
	setDefault(&c.Schemas, 256)
	return c
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		errs = append(errs, fmt.Errorf("address %q: want host:port", c.Address))
	}
	if c.Plaintext && !c.PlaintextAnywhere && !isLoopback(host) {
		errs = append(errs, fmt.Errorf("address %q: plaintext would send the access token in the clear to another machine", c.Address))
	}
	if c.Credit < 1 || c.Credit > MaxCredit {
		errs = append(errs, fmt.Errorf("credit %d: want 1 to %d", c.Credit, MaxCredit))
	}
	if c.ReadAhead < 1 || c.ReadAheadBytes < 1 || c.Schemas < 1 {
		errs = append(errs, errors.New("read-ahead and schema cache need room for at least one"))
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
