package bus

import (
	"encoding/binary"
	"errors"
)

// Position is a place on the bus: that of an event, or a moment between two.
// Positions grow but are not contiguous.
type Position uint64

// ReplayIDSize is the length of a replay id today: an 8-byte big-endian counter
// and two zero bytes. Older ones had the counter alone, and some clients still
// cut the id to that.
const ReplayIDSize = 10

// ErrReplayID says that bytes are no replay id.
var ErrReplayID = errors.New("malformed replay id")

// ReplayID returns the position's form on the wire.
func (p Position) ReplayID() []byte {
	return p.AppendReplayID(make([]byte, 0, ReplayIDSize))
}

// AppendReplayID appends the position's form on the wire to dst.
func (p Position) AppendReplayID(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(p)), 0, 0)
}

// ParseReplayID reads a replay id of 8 or 10 bytes.
func ParseReplayID(id []byte) (Position, error) {
	if len(id) != 8 && (len(id) != ReplayIDSize || id[8] != 0 || id[9] != 0) {
		return 0, ErrReplayID
	}
	return Position(binary.BigEndian.Uint64(id)), nil
}
