package callout

import (
	"encoding/binary"
	"unicode/utf8"
)

// deepest is how deep JSON may nest, as in encoding/json.
const deepest = 10_000

// isJSON reports whether data is one JSON value in UTF-8 (RFC 8259). It agrees with
// json.Valid and utf8.Valid, which together take several times as long; every
// event passes here.
func isJSON(data []byte) bool {
	f := form{data: data}
	f.value(0)
	f.space()
	return !f.bad && f.at == len(data)
}

// form reads along data. Once bad it stays so.
type form struct {
	data []byte
	at   int
	bad  bool
}

// peek is the next byte, 0 at the end.
func (f *form) peek() byte {
	if f.at < len(f.data) {
		return f.data[f.at]
	}
	return 0
}

// take passes c, which is not 0, or reports that something else comes.
func (f *form) take(c byte) bool {
	if f.peek() != c {
		return false
	}
	f.at++
	return true
}

func (f *form) need(c byte) {
	if !f.take(c) {
		f.bad = true
	}
}

func (f *form) space() {
	for f.at < len(f.data) {
		switch f.data[f.at] {
		case ' ', '\t', '\r', '\n':
			f.at++
		default:
			return
		}
	}
}

func (f *form) value(depth int) {
	f.space()
	switch c := f.peek(); {
	case c == '{':
		f.list(depth+1, '}', f.member)
	case c == '[':
		f.list(depth+1, ']', f.value)
	case c == '"':
		f.text()
	case c == '-' || isDigit(c):
		f.number()
	case c == 't':
		f.word("true")
	case c == 'f':
		f.word("false")
	case c == 'n':
		f.word("null")
	default:
		f.bad = true
	}
}

// list passes an object or array with its brackets.
func (f *form) list(depth int, end byte, one func(depth int)) {
	f.at++
	f.space()
	if f.bad = f.bad || depth > deepest; f.bad || f.take(end) {
		return
	}
	for !f.bad {
		one(depth)
		f.space()
		if f.take(end) {
			return
		}
		f.need(',')
	}
}

// member passes a name and its value.
func (f *form) member(depth int) {
	f.space()
	f.text()
	f.space()
	f.need(':')
	f.value(depth)
}

func (f *form) text() {
	f.need('"')
	for !f.bad {
		f.plain()
		switch c := f.peek(); {
		case c == '"':
			f.at++
			return
		case c == '\\':
			f.escape()
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(f.data[f.at:])
			f.bad = r == utf8.RuneError && size == 1
			f.at += size
		default:
			f.bad = true // a control character, or the end
		}
	}
}

// plain passes printable ASCII other than quote and backslash, eight at a time
// where it can: a byte of the word has its highest bit set afterwards if it is none of those.
func (f *form) plain() {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(f.data)-f.at >= 8 {
		w := binary.LittleEndian.Uint64(f.data[f.at:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&high != 0 {
			break
		}
		f.at += 8
	}
	for f.at < len(f.data) {
		if c := f.data[f.at]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return
		}
		f.at++
	}
}

func (f *form) escape() {
	f.at++
	switch f.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		f.at++
	case 'u':
		f.at++
		for range 4 {
			f.bad = f.bad || !isHex(f.peek())
			f.at++
		}
	default:
		f.bad = true
	}
}

func (f *form) number() {
	f.take('-')
	if !f.take('0') {
		f.digits()
	}
	if f.take('.') {
		f.digits()
	}
	if f.take('e') || f.take('E') {
		_ = f.take('+') || f.take('-')
		f.digits()
	}
}

// digits passes at least one.
func (f *form) digits() {
	f.bad = f.bad || !isDigit(f.peek())
	for isDigit(f.peek()) {
		f.at++
	}
}

func (f *form) word(w string) {
	if len(f.data)-f.at < len(w) || string(f.data[f.at:f.at+len(w)]) != w {
		f.bad = true
		return
	}
	f.at += len(w)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
