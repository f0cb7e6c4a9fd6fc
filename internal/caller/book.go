package caller

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"sync"
)

// book holds what proves whom, as keyed hashes. The key is random and lives as
// long as the process, so how long a look-up takes says nothing about the secret:
// nobody can tell which hash a guess will have. An unknown name costs the same as a
// known one, because both are one hash and one look-up.
type book struct {
	hashes  sync.Pool // of hash.Hash under the key
	entries map[digest]string
	// signing holds the signing keys by caller, the only secrets that are needed as they are.
	signing map[string][][]byte
	// nobody's key stands in for an unknown caller's.
	nobody [][]byte
}

type digest [sha256.Size]byte

func newBook(random io.Reader) *book {
	key, nobody := make([]byte, 32), make([]byte, 32)
	_, _ = io.ReadFull(random, key) // crypto/rand does not fail
	_, _ = io.ReadFull(random, nobody)
	return &book{
		hashes:  sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		entries: map[digest]string{}, signing: map[string][][]byte{}, nobody: [][]byte{nobody},
	}
}

// The kinds of entries; a token is no password.
const (
	kindToken        = "token"
	kindPassword     = "password"
	kindClientSecret = "client secret"
)

func (b *book) add(name string, who Credentials) {
	for _, s := range who.Tokens {
		b.entries[b.digest(kindToken, s.Reveal())] = name
	}
	for _, s := range who.Passwords {
		b.entries[b.digest(kindPassword, name, s.Reveal())] = name
	}
	for _, s := range who.ClientSecrets {
		b.entries[b.digest(kindClientSecret, name, s.Reveal())] = name
	}
	for _, s := range who.SigningKeys {
		b.signing[name] = append(b.signing[name], []byte(s.Reveal()))
	}
}

// digest hashes parts so that no two lists of parts are hashed alike.
func (b *book) digest(parts ...string) (d digest) {
	h := b.hashes.Get().(hash.Hash)
	h.Reset()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = h.Write(length[:])
		_, _ = io.WriteString(h, part)
	}
	h.Sum(d[:0])
	b.hashes.Put(h)
	return d
}

func (b *book) find(parts ...string) (string, bool) {
	name, ok := b.entries[b.digest(parts...)]
	return name, ok
}

func (b *book) bearer(token string) (string, bool) { return b.find(kindToken, token) }

func (b *book) password(user, password string) (string, bool) {
	return b.find(kindPassword, user, password)
}

func (b *book) clientSecret(id, secret string) (string, bool) {
	return b.find(kindClientSecret, id, secret)
}

// keys returns the signing keys of a caller; for a caller without any one that
// nobody knows, so that checking takes as long.
func (b *book) keys(name string) [][]byte {
	if keys, ok := b.signing[name]; ok {
		return keys
	}
	return b.nobody
}
