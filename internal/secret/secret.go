// Package secret holds a string that cannot be shown by accident: it prints,
// logs and marshals as a mask. Only [String.Reveal] gives the value, so a
// review of secrets is a search for that one word.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Mask is what a secret looks like everywhere but on the wire.
const Mask = "********"

// String is a secret value. The zero value is "no secret".
type String struct{ value string }

// New wraps a value.
func New(value string) String { return String{value: value} }

// Reveal returns the value. Call it only where the value goes on the wire.
func (s String) Reveal() string { return s.value }

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s.value == "" }

// Equal compares in constant time, whatever the two lengths are.
func (s String) Equal(other string) bool {
	a, b := sha256.Sum256([]byte(s.value)), sha256.Sum256([]byte(other))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns the mask, or "" if there is no secret.
func (s String) String() string {
	if s.value == "" {
		return ""
	}
	return Mask
}

// Format writes the mask whatever the verb, so that %q, %v and %#v are safe too.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue masks the secret in structured logs.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON, YAML and anything else textual.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the value as it stands in a configuration file.
func (s *String) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}
