package eventbus

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// traceHeader is the event header in which a publisher may pass its trace on
// (W3C Trace Context).
const traceHeader = "traceparent"

const zeroTrace = "00000000000000000000000000000000"

// appendTrace appends the trace context of an event: the publisher's, or one
// that is made from the event's id and so is the same on every delivery.
func appendTrace(dst []byte, headers []pubsub.Header, id string) []byte {
	for _, h := range headers {
		if strings.EqualFold(h.Key, traceHeader) && validTrace(h.Value) {
			return append(dst, h.Value...)
		}
	}
	dst = append(dst, "00-"...)
	dst = appendTraceID(dst, id)
	dst = append(dst, '-')
	dst = appendSpanID(dst, id)
	return append(dst, "-01"...)
}

// appendTraceID appends the 16 bytes of a UUID, or of a digest for any other id.
func appendTraceID(dst []byte, id string) []byte {
	from := len(dst)
	if len(id) == 36 {
		for i := range len(id) {
			if c := lower(id[i]); c != '-' && isHex(c) {
				dst = append(dst, c)
			}
		}
	}
	if got := dst[from:]; len(got) == 32 && string(got) != zeroTrace {
		return dst
	}
	sum := sha256.Sum256([]byte(id))
	return hex.AppendEncode(dst[:from], sum[:16])
}

func appendSpanID(dst []byte, id string) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	sum := h.Sum(make([]byte, 0, 8))
	sum[7] |= 1 // an all-zero span id is invalid
	return hex.AppendEncode(dst, sum)
}

// validTrace accepts version 00 of the format: 00-<32 hex>-<16 hex>-<2 hex>.
func validTrace(v []byte) bool {
	if len(v) != 55 || string(v[:3]) != "00-" || v[35] != '-' || v[52] != '-' {
		return false
	}
	for i, c := range v {
		if i != 2 && i != 35 && i != 52 && !isHex(c) {
			return false
		}
	}
	return string(v[3:35]) != zeroTrace && string(v[36:52]) != zeroTrace[:16]
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
