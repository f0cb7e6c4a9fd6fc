package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The first bytes of what this package writes; no JSON text begins like them.
const (
	prefix        = "\x00SP"
	formEscaped   = 0 // clear text that happens to begin with prefix
	formPlain     = 1 // sealed
	formDigested  = 2 // sealed, with the SHA-256 of the clear text beside it
	maxKeyID      = 32
	nonceSize     = 12
	digestSize    = sha256.Size
	keySize       = 32
	escapedHeader = prefix + "\x00"
)

// MissingKeyError says that a payload was sealed with a key that is not there.
type MissingKeyError struct{ KeyID string }

// Error names the key, never the payload.
func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("the payload is sealed with key %q, which is not among the keys", e.KeyID)
}

// ErrDamaged is wrapped when a sealed payload is not what was sealed under its
// route and id.
var ErrDamaged = errors.New("the sealed payload is damaged, or was sealed for another event")

// Keyring seals with its first key and opens with any. It is never changed and safe
// for concurrent use; a nil keyring has no keys: it leaves payloads clear.
type Keyring struct {
	keys []key
	// Digested says for which routes the digest of the clear text stays readable
	// beside the sealed one; nil for none.
	Digested func(route string) bool
}

type key struct {
	id   string
	aead cipher.AEAD
}

var keyIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseKey takes apart "<id>:<32 bytes in base64>". Its errors repeat nothing of the key.
func ParseKey(text string) (id string, raw []byte, err error) {
	id, encoded, ok := strings.Cut(text, ":")
	if !ok || !keyIDForm.MatchString(id) {
		return "", nil, errors.New("not a key: an id of up to 32 letters, digits, dots, dashes or underscores, a colon, and 32 bytes in base64")
	}
	raw, err = base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil || len(raw) != keySize {
		return "", nil, fmt.Errorf("key %q is not 32 bytes in base64", id)
	}
	return id, raw, nil
}

// New makes a keyring of keys as [ParseKey] takes them; the first one seals. No
// keys make a nil keyring.
func New(texts ...string) (*Keyring, error) {
	if len(texts) == 0 {
		return nil, nil // a keyring without keys
	}
	k := &Keyring{}
	for _, text := range texts {
		id, raw, err := ParseKey(text)
		if err != nil {
			return nil, err
		}
		if slices.Contains(k.IDs(), id) {
			return nil, fmt.Errorf("key id %q is given twice", id)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("prepare key %q: %w", id, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("prepare key %q: %w", id, err)
		}
		k.keys = append(k.keys, key{id, aead})
	}
	return k, nil
}

// IDs returns the ids of the keys, the sealing one first.
func (k *Keyring) IDs() []string {
	if k == nil {
		return nil
	}
	ids := make([]string, len(k.keys))
	for i := range k.keys {
		ids[i] = k.keys[i].id
	}
	return ids
}

// Seal returns what may rest of clear: sealed with the first key, bound to route
// and id. Without keys that is clear itself, unless it looks sealed. Empty data
// stays empty: there is nothing to hide and a listing can tell.
func (k *Keyring) Seal(route, id string, clear []byte) []byte {
	if k == nil {
		if !bytes.HasPrefix(clear, []byte(prefix)) {
			return clear
		}
		return append([]byte(escapedHeader), clear...)
	}
	if len(clear) == 0 {
		return clear
	}
	first := &k.keys[0]
	form := byte(formPlain)
	if k.Digested != nil && k.Digested(route) {
		form = formDigested
	}
	out := make([]byte, 0, len(prefix)+2+len(first.id)+digestSize+nonceSize+len(clear)+first.aead.Overhead())
	out = append(append(out, prefix...), form, byte(len(first.id)))
	out = append(out, first.id...)
	if form == formDigested {
		sum := sha256.Sum256(clear)
		out = append(out, sum[:]...)
	}
	bound := bind(out, route, id)
	at := len(out)
	out = out[:at+nonceSize]
	_, _ = rand.Read(out[at:]) // never fails
	return first.aead.Seal(out, out[at:at+nonceSize], clear, bound)
}

// KeyIDOf returns the id of the key that data was sealed with; empty for clear text,
// and for what is damaged so that no key is named.
func KeyIDOf(data []byte) string {
	h, err := parse(data)
	if err != nil {
		return ""
	}
	return h.keyID
}

// Reseal returns data sealed anew with the first key, and whether it was not. It fails
// as [Keyring.Open] does. A nil keyring seals nothing.
func (k *Keyring) Reseal(route, id string, data []byte) (again []byte, changed bool, err error) {
	if k == nil || len(data) == 0 || KeyIDOf(data) == k.keys[0].id {
		return data, false, nil
	}
	clear, err := k.Open(route, id, data)
	if err != nil {
		return nil, false, err
	}
	return k.Seal(route, id, clear), true, nil
}

// bind is what a sealed payload is authenticated with.
func bind(header []byte, route, id string) []byte {
	b := make([]byte, 0, len(header)+len(route)+len(id)+8)
	b = append(b, header...)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(route))), route...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(id))), id...)
}

// Open returns the clear text of data that rested under a route and id. Data that
// was never sealed is returned as it is. It fails with a [MissingKeyError] or with
// [ErrDamaged].
func (k *Keyring) Open(route, id string, data []byte) ([]byte, error) {
	h, err := parse(data)
	if err != nil {
		return nil, err
	}
	if h.form == formEscaped {
		return h.rest, nil
	}
	if k != nil {
		for i := range k.keys {
			if k.keys[i].id != h.keyID {
				continue
			}
			clear, err := k.keys[i].aead.Open(nil, h.nonce, h.rest, bind(h.header, route, id))
			if err != nil {
				return nil, ErrDamaged
			}
			return clear, nil
		}
	}
	return nil, &MissingKeyError{KeyID: h.keyID}
}

// header is what stands before a sealed text.
type header struct {
	form                        byte
	keyID                       string
	header, digest, nonce, rest []byte
}

func parse(data []byte) (h header, err error) {
	if !bytes.HasPrefix(data, []byte(prefix)) {
		return header{form: formEscaped, rest: data}, nil
	}
	at := len(prefix)
	if len(data) <= at {
		return h, ErrDamaged
	}
	if h.form = data[at]; h.form == formEscaped {
		h.rest = data[at+1:]
		return h, nil
	}
	if h.form != formPlain && h.form != formDigested || len(data) < at+2 {
		return h, ErrDamaged
	}
	n := int(data[at+1])
	at += 2
	if n == 0 || n > maxKeyID || len(data) < at+n {
		return h, ErrDamaged
	}
	h.keyID = string(data[at : at+n])
	if !keyIDForm.MatchString(h.keyID) {
		return h, ErrDamaged // and not something to print
	}
	at += n
	if h.form == formDigested {
		if len(data) < at+digestSize {
			return h, ErrDamaged
		}
		h.digest = data[at : at+digestSize]
		at += digestSize
	}
	if len(data) < at+nonceSize {
		return h, ErrDamaged
	}
	h.header, h.nonce, h.rest = data[:at], data[at:at+nonceSize], data[at+nonceSize:]
	return h, nil
}

// IsSealed reports whether data is sealed, and the id of the key that it names; a
// damaged header counts as sealed, with an empty id.
func IsSealed(data []byte) (keyID string, sealed bool) {
	h, err := parse(data)
	if err != nil {
		return "", true
	}
	return h.keyID, h.form != formEscaped
}

// Digest returns the SHA-256 of the clear text of data as it rests, without a key;
// false for a payload that was sealed without it.
func Digest(data []byte) ([digestSize]byte, bool) {
	h, err := parse(data)
	switch {
	case err != nil || h.form == formPlain:
		return [digestSize]byte{}, false
	case h.form == formDigested:
		return [digestSize]byte(h.digest), true
	}
	return sha256.Sum256(h.rest), true
}
