package transcode

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
)

var errShort = errors.New("payload is cut short")

type code uint8

const (
	opText code = iota
	opString
	opLong
	opDouble
	opBool
	opEnum
	opStrings
)

// op writes its text and then one value.
type op struct {
	text     []byte
	symbols  [][]byte
	code     code
	nullable bool
}

// Plan is a compiled schema. It is immutable and safe for concurrent use.
type Plan struct {
	ops []op
	// room is what keys and numbers of one event need beside its strings.
	room int
}

// Append appends the JSON of one event to dst. It allocates only to grow dst.
func (p *Plan) Append(dst, src []byte) ([]byte, error) {
	dst = slices.Grow(dst, p.room+2*len(src))
	pos := 0
	for i := range p.ops {
		o := &p.ops[i]
		dst = append(dst, o.text...)
		if o.nullable {
			if pos >= len(src) {
				return dst, errShort
			}
			branch := src[pos]
			pos++
			if branch == 0 {
				dst = append(dst, "null"...)
				continue
			}
		}
		var n int
		dst, n = o.value(dst, src[pos:])
		if n < 0 {
			return dst, errShort
		}
		pos += n
	}
	if pos != len(src) {
		return dst, errors.New("payload goes on after the last field")
	}
	return dst, nil
}

// value appends one value and returns how many bytes it took; negative if there
// were too few.
func (o *op) value(dst, src []byte) ([]byte, int) {
	switch o.code {
	case opString:
		return text(dst, src)
	case opLong:
		v, n := long(src)
		if n == 0 {
			return dst, -1
		}
		return strconv.AppendInt(dst, v, 10), n
	case opDouble:
		if len(src) < 8 {
			return dst, -1
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(src))
		return strconv.AppendFloat(dst, v, 'g', -1, 64), 8
	case opBool:
		if len(src) == 0 {
			return dst, -1
		}
		return strconv.AppendBool(dst, src[0] != 0), 1
	case opEnum:
		v, n := long(src)
		if n == 0 || v < 0 || v >= int64(len(o.symbols)) {
			return dst, -1
		}
		return append(dst, o.symbols[v]...), n
	case opStrings:
		return texts(dst, src)
	default: // opText has no value
		return dst, 0
	}
}

func long(src []byte) (int64, int) {
	if len(src) > 0 && src[0] < 0x80 {
		u := uint64(src[0])
		return int64(u>>1) ^ -int64(u&1), 1 // zigzag
	}
	u, n := binary.Uvarint(src)
	if n <= 0 {
		return 0, 0
	}
	return int64(u>>1) ^ -int64(u&1), n // zigzag
}

func texts(dst, src []byte) ([]byte, int) {
	dst = append(dst, '[')
	pos, any := 0, false
	for {
		count, n := long(src[pos:])
		if n == 0 || count < 0 {
			return dst, -1
		}
		pos += n
		if count == 0 {
			return append(dst, ']'), pos
		}
		for range count {
			if any {
				dst = append(dst, ',')
			}
			any = true
			if dst, n = text(dst, src[pos:]); n < 0 {
				return dst, -1
			}
			pos += n
		}
	}
}

func text(dst, src []byte) ([]byte, int) {
	size, n := long(src)
	if n == 0 || size < 0 || size > int64(len(src)-n) {
		return dst, -1
	}
	s := src[n : n+int(size)]
	dst = append(dst, '"')
	if plain(s) {
		dst = append(dst, s...)
	} else {
		dst = escape(dst, s)
	}
	return append(dst, '"'), n + int(size)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether s can stand between quotes as it is. It looks at eight
// bytes at a time: a byte below 0x20, a quote or a backslash makes a high bit.
func plain(s []byte) bool {
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if ((w-ones*0x20)|(quote-ones)|(slash-ones))&^w&highs != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func escape(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
