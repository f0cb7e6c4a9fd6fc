package trail

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// publicPrefix begins a public key as text.
const publicPrefix = "ed25519:"

// Signer signs seals and exports. It is never changed.
type Signer struct {
	key ed25519.PrivateKey
	id  string
}

// NewSigner makes a signer of an Ed25519 seed: 32 bytes in base64. No text makes no
// signer. The error repeats nothing of the key.
func NewSigner(text string) (*Signer, error) {
	if text == "" {
		return nil, nil // nothing is signed
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("not a signing key: 32 bytes in base64")
	}
	key := ed25519.NewKeyFromSeed(seed)
	return &Signer{key: key, id: keyID(key.Public().(ed25519.PublicKey))}, nil
}

// Public returns the public key as text, for whoever verifies.
func (s *Signer) Public() string {
	return publicPrefix + base64.StdEncoding.EncodeToString(s.key.Public().(ed25519.PublicKey))
}

func keyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// Keys are the public keys that signatures may be of, by id.
type Keys map[string]ed25519.PublicKey

// ParseKeys reads public keys as [Signer.Public] writes them.
func ParseKeys(texts ...string) (Keys, error) {
	keys := Keys{}
	for _, text := range texts {
		encoded, ok := strings.CutPrefix(strings.TrimSpace(text), publicPrefix)
		public, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(public) != ed25519.PublicKeySize {
			return nil, errors.New("not a public key: ed25519: and 32 bytes in base64")
		}
		keys[keyID(public)] = public
	}
	return keys, nil
}

// fault says what is wrong with a signature; empty if nothing is.
func (k Keys) fault(id string, message, signature []byte) string {
	public, known := k[id]
	switch {
	case !known:
		return "is signed with key " + printable(id) + ", which is not known"
	case !ed25519.Verify(public, message, signature):
		return "has a signature that is not of key " + printable(id)
	}
	return ""
}
