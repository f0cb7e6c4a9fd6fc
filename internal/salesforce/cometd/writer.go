package cometd

import (
	"encoding/json"
	"math"
	"strconv"
)

// writer writes one JSON object.
type writer struct {
	out  []byte
	some bool // something is in it
}

func (w *writer) open()  { w.out, w.some = append(w.out, '{'), false }
func (w *writer) close() { w.out = append(w.out, '}') }

// object returns what was written without open, as an object.
func (w *writer) object() []byte {
	if len(w.out) == 0 {
		return []byte("{}")
	}
	return append(w.out, '}')
}

func (w *writer) key(name string) {
	if len(w.out) == 0 {
		w.open()
	}
	if w.some {
		w.out = append(w.out, ',')
	}
	w.some = true
	text, _ := json.Marshal(name) // a string always marshals
	w.out = append(append(w.out, text...), ':')
}

// member writes a value as it came, but for the form of its numbers.
func (w *writer) member(m member) {
	w.key(m.name)
	w.out = appendValue(w.out, m.value)
}

func (w *writer) raw(name string, value []byte) {
	w.key(name)
	w.out = append(w.out, value...)
}

// filled writes a value unless it is null, and a compound one without its
// empty parts.
func (w *writer) filled(m member) {
	if m.null() {
		return
	}
	parts, err := parseObject(m.value)
	if err != nil {
		w.member(m)
		return
	}
	inner := writer{}
	inner.open()
	for _, p := range parts {
		if !p.null() {
			inner.member(p)
		}
	}
	inner.close()
	w.raw(m.name, inner.out)
}

// appendValue copies valid JSON without white space. Numbers with a fraction get
// the shortest form, because the Streaming API writes 3.0 for what is 3 over the
// Pub/Sub API; whole numbers stay, because they may exceed a double.
func appendValue(dst, value []byte) []byte {
	for i := 0; i < len(value); {
		c := value[i]
		end := i + 1
		switch {
		case c == ' ', c == '\t', c == '\n', c == '\r':
			i = end
			continue
		case c == '"':
			end = endOfString(value, i)
		case c == '-', c >= '0' && c <= '9':
			for end < len(value) && inNumber(value[end]) {
				end++
			}
			dst = appendNumber(dst, value[i:end])
			i = end
			continue
		}
		dst = append(dst, value[i:end]...)
		i = end
	}
	return dst
}

func endOfString(value []byte, i int) int {
	for i++; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(value)
}

func inNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func appendNumber(dst, text []byte) []byte {
	whole := true
	for _, c := range text {
		if c == '.' || c == 'e' || c == 'E' {
			whole = false
		}
	}
	if whole {
		return append(dst, text...)
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return append(dst, text...) // beyond a double; it stays as it was said
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}
