package salesforce

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// maxReplayID bounds what is read back as a replay Id. Real ones have 10 bytes
// (8 in old samples).
const maxReplayID = 64

// ReplayID is a place in a topic's stream: opaque bytes, never computed, never
// compared but for equality. The stream resumes strictly after it.
type ReplayID []byte

// ParseReplayID reads the hexadecimal form that String gives.
func ParseReplayID(s string) (ReplayID, error) {
	if len(s) == 0 || len(s) > 2*maxReplayID {
		return nil, fmt.Errorf("malformed replay id: want 1 to %d hexadecimal bytes, have %d characters", maxReplayID, len(s))
	}
	id, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("malformed replay id: %w", err)
	}
	return id, nil
}

// String returns the bytes in hexadecimal, "" for none.
func (r ReplayID) String() string { return hex.EncodeToString(r) }

// IsZero reports whether there is no replay Id.
func (r ReplayID) IsZero() bool { return len(r) == 0 }

// CometD returns the number that the Streaming API (CometD) shows for the same
// event: the first eight bytes, big-endian. It is for display and for CometD
// only; a position is kept and sent as the bytes, because their layout is
// observed and not promised. ok is false for fewer than eight bytes and for
// numbers that CometD's signed form cannot show.
func (r ReplayID) CometD() (n int64, ok bool) {
	if len(r) < 8 {
		return 0, false
	}
	n = int64(binary.BigEndian.Uint64(r)) // checked below
	return n, n >= 0
}
