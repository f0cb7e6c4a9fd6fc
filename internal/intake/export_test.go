package intake

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// DecodeStructured is for fuzzing.
var DecodeStructured = decodeStructured

// CertificateAt is [Certificate] with a clock.
func CertificateAt(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}
