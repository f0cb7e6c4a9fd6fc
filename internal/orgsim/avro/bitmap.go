package avro

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// Bitmap returns the header's form of a list of field names (as in a row): first
// one number "0x..." whose bit n stands for field n of the event's record, then
// "P-0x..." for each compound field P of which parts are named. Names that the
// event does not carry are left out; no names give an empty list.
func (s *Schema) Bitmap(names []string) []string {
	var top bitset
	parts := make([]bitset, len(s.fields))
	for _, name := range names {
		switch at, ok := s.slots[name]; {
		case !ok:
		case at.child < 0:
			top.set(at.index)
		default:
			parts[at.index].set(at.child)
		}
	}
	var list []string
	if top != nil {
		list = append(list, top.String())
	}
	for i, p := range parts {
		if p != nil {
			list = append(list, strconv.Itoa(i)+"-"+p.String())
		}
	}
	return list
}

// bitset holds bits with the least significant byte first; its last byte is
// never zero.
type bitset []byte

func (b *bitset) set(bit int) {
	for len(*b) <= bit/8 {
		*b = append(*b, 0)
	}
	(*b)[bit/8] |= 1 << (bit % 8)
}

// String returns the big-endian hexadecimal number with whole bytes: "0x0180".
func (b bitset) String() string {
	reversed := make([]byte, len(b))
	for i, v := range b {
		reversed[len(b)-1-i] = v
	}
	return "0x" + strings.ToUpper(hex.EncodeToString(reversed))
}
