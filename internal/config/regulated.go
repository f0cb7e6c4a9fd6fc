package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Trail is the audit trail.
type Trail struct {
	All       bool          `yaml:"all" default:"false" doc:"Keep the trail of every route that has events waiting. Otherwise of the routes with trail: true."`
	Key       secret.String `yaml:"key" type:"trailkey" sample:"${SALLYPORT_TRAIL_KEY}" doc:"Signs seals and exports: an Ed25519 seed, 32 bytes in base64 (openssl rand -base64 32). Without it whoever can write the store can recompute the chain. sallyport audit key prints the public key."`
	Accept    []string      `yaml:"accept" type:"publickey" sample:"[\"ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]" doc:"Public keys of earlier signing keys, whose seals are still in the trail."`
	Retention time.Duration `yaml:"retention" default:"off" off:"kept for ever" doc:"How long entries are kept. What is older is removed from the beginning; the last seal of it stays as the anchor of the rest."`
}

// Encryption is how payloads rest.
type Encryption struct {
	Keys []secret.String `yaml:"keys" type:"sealkey" max:"32" sample:"[\"2026-03:${PAYLOAD_KEY}\"]" doc:"Keys that seal payloads wherever they rest (store, broker): an id, a colon, and 32 bytes in base64 (AES-256-GCM). The first one seals, all open: to rotate, put a new one first and keep the old ones until no payload of theirs is left (docs/audit-trail.md says when). Absent: payloads rest in clear text."`
}

// Reveal returns the keys as text.
func (e Encryption) Reveal() []string {
	var out []string
	for _, k := range e.Keys {
		out = append(out, k.Reveal())
	}
	return out
}

// TrailRoutes returns the routes with a trail, or all.
func (s Settings) TrailRoutes() (names []string, all bool) {
	for _, name := range slices.Sorted(maps.Keys(s.Routes)) {
		if s.Routes[name].Trail {
			names = append(names, name)
		}
	}
	return names, s.Trail.All
}

// checkSealKey never repeats the text.
func checkSealKey(text string) error {
	_, _, err := sealed.ParseKey(text)
	return err
}

func checkTrailKey(text string) error {
	if seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil || len(seed) != 32 {
		return errors.New("not a signing key: 32 bytes in base64")
	}
	return nil
}

func checkPublicKey(text string) error {
	encoded, ok := strings.CutPrefix(text, "ed25519:")
	if key, err := base64.StdEncoding.DecodeString(encoded); !ok || err != nil || len(key) != 32 {
		return errors.New("not a public key: ed25519: and 32 bytes in base64")
	}
	return nil
}

var redactForm = regexp.MustCompile(`^[A-Za-z0-9_$-]+(\.[A-Za-z0-9_$-]+)*$`)

func checkRedact(text string) error {
	if !redactForm.MatchString(text) {
		return errors.New("not a path: names joined by dots, such as Contact.Email")
	}
	return nil
}

// checkRegulated holds the rules between the keys of this file.
func (d *decoder) checkRegulated(s *Settings) {
	seen := map[string]int{}
	for i, k := range s.Encryption.Keys {
		id, _, _ := strings.Cut(k.Reveal(), ":")
		if first, twice := seen[id]; twice && !k.IsZero() {
			d.wrong(fmt.Sprintf("encryption.keys[%d]", i), fmt.Sprintf("has the id %q of key %d", id, first), "give every key an id of its own, such as the month it begins in")
		} else {
			seen[id] = i
		}
	}
	for name, r := range s.Routes {
		if r.Trail && r.Waits == WaitsNone {
			d.wrong("routes."+name+".trail", "has nothing to record: the caller waits for the answer and no event is kept", "remove it, or let the route wait in the store")
		}
	}
}
