package pubsub

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString writes b as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(dst, b []byte) []byte {
	dst = append(dst, '"')
	if allPlain(b) {
		dst = append(dst, b...)
	} else {
		dst = appendEscaped(dst, b)
	}
	return append(dst, '"')
}

// allPlain reports whether JSON takes every byte as it is. It looks at eight at
// a time, the last eight overlapping those before.
func allPlain(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if !plain(c) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(b)-8; i += 8 {
		if special(binary.LittleEndian.Uint64(b[i:])) {
			return false
		}
	}
	return !special(binary.LittleEndian.Uint64(b[len(b)-8:]))
}

func plain(c byte) bool { return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' }

// special reports whether any of the eight bytes is a control character, a
// quote, a backslash or not ASCII. It may say so of a byte above such a one,
// never miss one: borrows run upwards only from a byte that is special itself.
func special(w uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return ((w-ones*0x20)|(quote-ones)|(backslash-ones)|w)&highs != 0
}

func appendEscaped(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case plain(c):
			from := i
			for i < len(b) && plain(b[i]) {
				i++
			}
			dst = append(dst, b[from:i]...)
		case c < utf8.RuneSelf:
			dst = appendEscape(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, "\ufffd"...)
			} else {
				dst = append(dst, b[i:i+size]...)
			}
			i += size
		}
	}
	return dst
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// maxShort is below the 15 digits that every double keeps: a decimal of at most
// so many digits is the only one of its length, so it is the shortest form too.
const maxShort = 1e14

// appendNumber writes the shortest decimal that reads back as f. ok is false for
// NaN and infinities.
func appendNumber(dst []byte, f float64, bits int) (out []byte, ok bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, false
	}
	if bits == 64 && f > -maxShort/100 && f < maxShort/100 {
		if n := int64(f); float64(n) == f {
			return strconv.AppendInt(dst, n, 10), true
		}
		// Money has two decimals, and dividing is much cheaper than the search
		// for the shortest form.
		if n := int64(math.RoundToEven(f * 100)); float64(n)/100 == f {
			return appendHundredths(dst, n), true
		}
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits), true
}

func appendHundredths(dst []byte, n int64) []byte {
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendInt(dst, n/100, 10)
	rest := n % 100
	dst = append(dst, '.', byte('0'+rest/10))
	if rest%10 != 0 {
		dst = append(dst, byte('0'+rest%10))
	}
	return dst
}
