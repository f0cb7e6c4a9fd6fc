package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// traits are what the file holds of one event besides its payload and its
// progress. The texts of decoded traits share the memory of the batch's.
type traits struct {
	lane int
	kind int64
	time int64
	// refilled is the event's own; bare says that retention has removed the payload,
	// gone that it has removed the record, of which the lane is left.
	refilled, bare, gone    bool
	id, subject, key, trace string
	// until is when the route may forget the id, 0 for at once; digest tells apart
	// two requests of one id, zero for none.
	until  int64
	digest mark
	// size is the length of the payload; at is where it begins in the body of the batch.
	size, at int
}

// traitsFormat is the first byte of a batch's traits. Then follows for each
// event: the lane, a byte of flags, and unless it is gone, as varints (u:
// unsigned, s: signed) and texts (a length u and so many bytes): kind u, time s
// from the batch's acceptance in microseconds unless timeless, id text, subject
// text, key text unless it is the subject, trace text, the length of the payload
// u unless bare, and where remembered until u from the batch's acceptance, and
// where there is one 16 bytes of digest.
const traitsFormat = 1

const (
	flagRefilled = 1 << iota
	flagBare
	flagGone
	flagTimeless
	flagKeyIsSubject
	flagRemembered
	flagDigest
)

var errTraits = errors.New("the record of a batch is damaged")

// encode appends the traits of one event of a batch accepted at that time.
func (t *traits) encode(b []byte, accepted int64) []byte {
	b = append(b, byte(t.lane), t.flags())
	if t.gone {
		return b
	}
	b = binary.AppendUvarint(b, uint64(t.kind))
	if t.time != 0 {
		b = binary.AppendVarint(b, t.time-accepted)
	}
	b = appendText(b, t.id)
	b = appendText(b, t.subject)
	if t.key != t.subject {
		b = appendText(b, t.key)
	}
	b = appendText(b, t.trace)
	if !t.bare {
		b = binary.AppendUvarint(b, uint64(t.size))
	}
	if t.until != 0 {
		b = binary.AppendUvarint(b, uint64(t.until-accepted))
	}
	if t.digest != (mark{}) {
		b = append(b, t.digest[:]...)
	}
	return b
}

func (t *traits) flags() (f byte) {
	for _, c := range [...]struct {
		flag byte
		set  bool
	}{
		{flagRefilled, t.refilled},
		{flagBare, t.bare},
		{flagGone, t.gone},
		{flagTimeless, t.time == 0},
		{flagKeyIsSubject, t.key == t.subject},
		{flagRemembered, t.until != 0},
		{flagDigest, t.digest != (mark{})},
	} {
		if c.set {
			f |= c.flag
		}
	}
	return f
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeTraits reads the traits of a batch of n events.
func decodeTraits(data string, n int, accepted int64) ([]traits, error) {
	if data == "" || data[0] != traitsFormat {
		return nil, fmt.Errorf("%w: unknown format", errTraits)
	}
	if n < 0 || n > len(data)/2 {
		return nil, fmt.Errorf("%w: too short for %d events", errTraits, n)
	}
	c := cursor{rest: data[1:]}
	all := make([]traits, n)
	at := 0
	for i := range all {
		t := &all[i]
		c.traits(t, accepted)
		t.at = at
		at += t.size
	}
	if c.bad || c.rest != "" {
		return nil, errTraits
	}
	return all, nil
}

// cursor reads from the front of rest. Once bad it stays so and reads zeros.
type cursor struct {
	rest string
	bad  bool
}

func (c *cursor) traits(t *traits, accepted int64) {
	t.lane = int(c.byte())
	f := c.byte()
	t.refilled, t.bare, t.gone = f&flagRefilled != 0, f&flagBare != 0, f&flagGone != 0
	if t.gone {
		t.bare = true
		return
	}
	t.kind = int64(c.uvarint())
	if f&flagTimeless == 0 {
		u := c.uvarint()
		t.time = accepted + (int64(u>>1) ^ -int64(u&1))
	}
	t.id, t.subject = c.text(), c.text()
	t.key = t.subject
	if f&flagKeyIsSubject == 0 {
		t.key = c.text()
	}
	t.trace = c.text()
	if !t.bare {
		t.size = c.length(1 << 40)
	}
	if f&flagRemembered != 0 {
		t.until = accepted + int64(c.uvarint())
	}
	if f&flagDigest != 0 {
		copy(t.digest[:], c.bytes(len(t.digest)))
	}
}

func (c *cursor) byte() byte {
	if s := c.bytes(1); s != "" {
		return s[0]
	}
	return 0
}

func (c *cursor) text() string { return c.bytes(c.length(len(c.rest))) }

func (c *cursor) bytes(n int) string {
	if c.bad || n > len(c.rest) {
		c.bad = true
		return ""
	}
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}

// length reads a length of at most limit.
func (c *cursor) length(limit int) int {
	u := c.uvarint()
	if u > uint64(limit) {
		c.bad = true
		return 0
	}
	return int(u)
}

func (c *cursor) uvarint() (u uint64) {
	for i := range min(len(c.rest), binary.MaxVarintLen64) {
		b := c.rest[i]
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.rest = c.rest[i+1:]
			return u
		}
	}
	c.bad = true
	return 0
}
