package intake

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files of a certificate are looked at.
const certificateCheck = 10 * time.Second

// Certificate returns the TLS settings of a certificate in two PEM files. They are
// read again when they change, so that a renewed certificate needs no restart; one that
// cannot be read leaves the old one in use.
func Certificate(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("read certificate of callouts: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	stamp   [2]time.Time
	checked time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.checked) >= certificateCheck && c.stamps() != c.stamp {
		if err := c.load(); err != nil {
			c.log.Error("renewed certificate not readable, the old one stays in use", "err", err)
		}
	}
	return c.current, nil
}

// load reads both files. What was seen is noted even when it cannot be read, so
// that a broken file is reported once.
func (c *certificate) load() error {
	c.checked, c.stamp = c.now(), c.stamps()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

func (c *certificate) stamps() (out [2]time.Time) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			out[i] = info.ModTime()
		}
	}
	return out
}
