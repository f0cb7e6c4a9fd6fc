package rabbit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says how to reach a broker. Zero means the default.
type Config struct {
	// URL returns amqp:// or amqps:// with user, password and virtual host, or
	// several, separated by commas or spaces: the nodes of a cluster, of which the
	// next is tried when one is not reached or lost. It is asked at every
	// connect, so that rotated credentials are found.
	URL func(ctx context.Context) (string, error)
	// Name is what the broker shows of the connection: the process and what it
	// is for, such as "sallyport publish".
	Name string
	// Heartbeat is the interval at which both sides prove to be there; default
	// 10 s. A connection is given up after three of them in silence.
	Heartbeat time.Duration
	// DialTimeout bounds connecting, log-in included; default 10 s.
	DialTimeout time.Duration
	// RetryFirst and RetryMax bound the wait between connects, which doubles
	// while they fail; defaults 200 ms and 10 s.
	RetryFirst, RetryMax time.Duration
	// TLS is used with amqps; nil means the system's authorities.
	TLS *tls.Config
	Log *slog.Logger
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	for v, to := range map[*time.Duration]time.Duration{
		&c.Heartbeat: 10 * time.Second, &c.DialTimeout: 10 * time.Second,
		&c.RetryFirst: 200 * time.Millisecond, &c.RetryMax: 10 * time.Second,
	} {
		if *v == 0 {
			*v = to
		}
	}
	if c.Name == "" {
		c.Name = "sallyport"
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c
}

// Validate reports everything in c that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.URL == nil || c.Log == nil {
		errs = append(errs, errors.New("the broker's URL and a log are required"))
	}
	if c.Heartbeat < time.Second {
		errs = append(errs, fmt.Errorf("heartbeat %s is less than a second", c.Heartbeat))
	}
	if c.RetryFirst <= 0 || c.RetryMax < c.RetryFirst {
		errs = append(errs, fmt.Errorf("waits between connects %s to %s are not positive and rising", c.RetryFirst, c.RetryMax))
	}
	return errors.Join(errs...)
}

// between is what separates the URLs of several nodes.
var between = regexp.MustCompile(`[,\s]+(amqps?://)`)

// nodes splits the URLs of several nodes. A comma elsewhere belongs to its URL.
func nodes(text string) []string {
	return strings.Split(between.ReplaceAllString(strings.TrimSpace(text), "\n$1"), "\n")
}

// checkURL says what is wrong with a broker's URL, without repeating it.
func checkURL(raw string) error {
	if _, err := amqp.ParseURI(raw); err != nil {
		return errors.New("not an address of the form amqps://user:password@host:5671/vhost")
	}
	return nil
}
