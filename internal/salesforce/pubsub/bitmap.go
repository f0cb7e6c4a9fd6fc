package pubsub

import (
	"bytes"
	"math/bits"
)

// appendNames reads one of the header's bitmap arrays, marks the fields it names
// and writes their names as a JSON list.
//
// An element "0xHH" is a big-endian hexadecimal number whose bit n stands for
// the event's n-th field, the header counted as 0. An element "P-0xHH" does the
// same for the parts of the compound field P.
func (p *Plan) appendNames(dst []byte, d *Decoded) ([]byte, bool) {
	dst = append(dst, '[')
	for {
		count, ok := d.blockCount()
		if !ok {
			return dst, false
		}
		if count == 0 {
			return append(dst, ']'), true
		}
		for range count {
			if len(dst) > maxOutput {
				return dst, d.fail("the event is too large as JSON")
			}
			element, ok := d.bytes()
			if !ok {
				return dst, false
			}
			if dst, ok = p.appendElement(dst, d, element); !ok {
				return dst, false
			}
		}
	}
}

func (p *Plan) appendElement(dst []byte, d *Decoded, element []byte) ([]byte, bool) {
	if digits, ok := cutHex(element); ok {
		return d.appendBits(dst, digits, d.topBits, p.names)
	}
	parent, rest, _ := bytes.Cut(element, []byte{'-'})
	digits, ok := cutHex(rest)
	index, numeric := decimal(parent)
	if !ok || !numeric {
		return dst, d.fail("a malformed bitmap")
	}
	if index >= len(p.root.fields) || p.root.fields[index].compound == nil {
		return dst, d.fail("a bitmap for parts of a field that has none")
	}
	f := &p.root.fields[index]
	return d.appendBits(dst, digits, d.childBits[f.childAt:], f.childNames)
}

func cutHex(b []byte) (digits []byte, ok bool) {
	if len(b) < 3 || b[0] != '0' || b[1]|0x20 != 'x' {
		return nil, false
	}
	return b[2:], true
}

// decimal reads a field index; three digits are more than any sObject needs.
func decimal(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 4 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// appendBits walks a hexadecimal bitmap from its lowest digit, sets the bits in
// set and writes the name of each, in field order.
func (d *Decoded) appendBits(dst, digits []byte, set []uint64, names [][]byte) ([]byte, bool) {
	for low := 0; low < len(digits); low++ {
		nibble, ok := hexValue(digits[len(digits)-1-low])
		if !ok {
			return dst, d.fail("a malformed bitmap")
		}
		for ; nibble != 0; nibble &= nibble - 1 {
			n := low*4 + bits.TrailingZeros8(nibble)
			if n >= len(names) {
				return dst, d.fail("a bitmap for more fields than the schema has")
			}
			set[n/64] |= 1 << (n % 64)
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = append(dst, names[n]...)
		}
	}
	return dst, true
}

func hexValue(c byte) (uint8, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
