package caller

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Scheme is the Authorization scheme of a signed request:
//
//	Authorization: Sallyport-HMAC-SHA256 caller="crm", timestamp="1787212445",
//	    nonce="8c2f…", signature="<base64>"
//
// The signature is the HMAC-SHA256, under one of the caller's signing keys, of
// these lines, each but the last ended by a line feed:
//
//	Sallyport-HMAC-SHA256
//	the timestamp: seconds since 1970, as in the header
//	the nonce: 8 to 64 characters that the caller never uses again
//	the method
//	the path and query as the gateway receives them
//	the Idempotency-Key header, or an empty line
//	the SHA-256 of the body, in lower-case hexadecimal
//
// It covers what makes a request do something else or do it again: the address, the
// key by which repeats are told, and the body.
const Scheme = "Sallyport-HMAC-SHA256"

const schemeLower = "sallyport-hmac-sha256"

// maxReading is how many signed bodies are read at once, because strangers can
// make us read them.
const maxReading = 64

const (
	minNonce = 8
	maxNonce = 64
)

// proof is what a signed request's header says.
type proof struct {
	caller, timestamp, nonce string
	signature                []byte
	at                       time.Time
}

func parseProof(value string) (p proof, ok bool) {
	params, ok := parseParams(value)
	if !ok || len(params) != 4 {
		return p, false
	}
	p = proof{caller: params["caller"], timestamp: params["timestamp"], nonce: params["nonce"]}
	seconds, err := strconv.ParseInt(p.timestamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != p.timestamp {
		return p, false
	}
	p.at = time.Unix(seconds, 0)
	p.signature, err = base64.StdEncoding.DecodeString(params["signature"])
	if err != nil || len(p.signature) != sha256.Size || p.caller == "" {
		return p, false
	}
	return p, len(p.nonce) >= minNonce && len(p.nonce) <= maxNonce && !strings.ContainsFunc(p.nonce, notPrintable)
}

func notPrintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// text is what is signed.
func (p proof) text(r *http.Request, bodyHash [sha256.Size]byte) []byte {
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	return []byte(strings.Join([]string{
		Scheme, p.timestamp, p.nonce, r.Method, target, r.Header.Get("Idempotency-Key"), hex.EncodeToString(bodyHash[:]),
	}, "\n"))
}

// signature checks a signed request and gives it its body back.
func (s *Callers) signature(w http.ResponseWriter, r *http.Request, value string) (Caller, *refusal) {
	p, ok := parseProof(value)
	if !ok {
		return Caller{}, unauthenticated("a signature header that cannot be read")
	}
	if off := time.Since(p.at); off > s.config.Window || off < -s.config.Window {
		return Caller{}, unauthenticated("a signed request whose time is outside the window").named(s.known(p.caller))
	}
	if len(r.Header.Values("Idempotency-Key")) > 1 {
		return Caller{}, unauthenticated("a signed request with several idempotency keys")
	}
	body, refusal := s.readBody(w, r)
	if refusal != nil {
		return Caller{}, refusal
	}
	text := p.text(r, sha256.Sum256(body))
	valid := false
	for _, key := range s.book.keys(p.caller) {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write(text)
		valid = hmac.Equal(mac.Sum(nil), p.signature) || valid // every key is tried, whatever came of the others
	}
	if !valid {
		return Caller{}, unauthenticated("a signature that does not fit").named(s.known(p.caller))
	}
	switch s.replays.first(s.book.digest("nonce", p.caller, p.nonce), time.Now()) {
	case seenBefore:
		return Caller{}, unauthenticated("a signed request that came before").named(p.caller)
	case memoryFull:
		return Caller{Name: p.caller, Method: Signature}, tooManyRequests(s.config.Window)
	}
	return Caller{p.caller, Signature}, nil
}

// known returns a name that is a caller's, and "" for any other: what a stranger
// writes is not for the log, where a password in the wrong place would stay.
func (s *Callers) known(name string) string {
	if _, ok := s.config.Callers[name]; ok {
		return name
	}
	return ""
}

func (s *Callers) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if r.ContentLength > s.config.MaxBody {
		return nil, tooLarge(s.config.MaxBody)
	}
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-r.Context().Done():
		return nil, unreadable()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.config.MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(s.config.MaxBody)
		}
		return nil, unreadable()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	return body, nil
}
