package httpout

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

const (
	secretPrefix = "whsec_"
	// The bounds that Standard Webhooks sets for a secret.
	secretMin, secretMax = 24, 64
)

// signer signs with one secret. Keyed hashes are kept for reuse, because
// keying one costs as much as hashing a small payload.
type signer struct{ hashes sync.Pool }

func newSigner(s secret.String) (*signer, error) {
	text, ok := strings.CutPrefix(s.Reveal(), secretPrefix)
	if !ok {
		return nil, fmt.Errorf("does not begin with %s", secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64 after the prefix")
	}
	if len(key) < secretMin || len(key) > secretMax {
		return nil, fmt.Errorf("has %d bytes, want %d to %d", len(key), secretMin, secretMax)
	}
	return &signer{hashes: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

// sign returns the webhook-signature header: one v1 signature per live secret.
// Source: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
func (d *Destination) sign(id, stamp string, body []byte) string {
	head := id + "." + stamp + "."
	var header []byte
	for _, s := range d.signers {
		if len(header) > 0 {
			header = append(header, ' ')
		}
		header = s.append(append(header, "v1,"...), head, body)
	}
	return string(header)
}

func (s *signer) append(to []byte, head string, body []byte) []byte {
	h := s.hashes.Get().(hash.Hash)
	defer s.hashes.Put(h)
	h.Reset()
	_, _ = h.Write([]byte(head))
	_, _ = h.Write(body)
	return base64.StdEncoding.AppendEncode(to, h.Sum(nil))
}
