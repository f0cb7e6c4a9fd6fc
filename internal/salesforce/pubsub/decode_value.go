package pubsub

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// appendKey writes a key with its comma, or without where it comes first.
func appendKey(dst, key []byte) []byte {
	if dst[len(dst)-1] == '{' {
		key = key[1:]
	}
	return append(dst, key...)
}

// branch follows a union to the branch that the payload names; any other node is
// its own branch.
func (n *node) branch(d *Decoded) (*node, bool) {
	if n.kind != kindUnion {
		return n, true
	}
	// One byte, even and small, is all that real unions have.
	if d.pos < len(d.src) {
		if i := d.src[d.pos]; i&1 == 0 && int(i>>1) < len(n.branches) {
			d.pos++
			return n.branches[i>>1], true
		}
	}
	return n.branchSlow(d)
}

func (n *node) branchSlow(d *Decoded) (*node, bool) {
	i, ok := d.long()
	if !ok {
		return nil, false
	}
	if i < 0 || i >= int64(len(n.branches)) {
		return nil, d.fail("no such union branch")
	}
	return n.branches[i], true
}

// append reads one value and writes it as JSON.
func (n *node) append(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	n, ok := n.branch(d)
	if !ok {
		return dst, false
	}
	return n.appendBranch(dst, d, depth)
}

// appendBranch is append for a node that is no union.
func (n *node) appendBranch(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	switch n.kind {
	case kindString:
		b, ok := d.bytes()
		return appendString(dst, b), ok
	case kindNull:
		return append(dst, "null"...), true
	case kindDouble:
		return d.appendDouble(dst)
	case kindLong, kindDateTime, kindDateOnly, kindTimeOnly:
		return n.appendLong(dst, d)
	case kindInt:
		return d.appendInt(dst)
	case kindBoolean:
		return d.appendBoolean(dst)
	}
	return n.appendOther(dst, d, depth+1)
}

// appendOther writes what is rare or nested.
func (n *node) appendOther(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, d.fail("nested too deep")
	}
	switch n.kind {
	case kindRecord:
		return n.record.append(dst, d, depth)
	case kindEnum:
		i, ok := n.symbol(d)
		if !ok {
			return dst, false
		}
		return append(dst, n.quoted[i]...), true
	case kindArray:
		return n.appendArray(dst, d, depth)
	case kindMap:
		return n.appendMap(dst, d, depth)
	case kindFloat:
		b, ok := d.take(4)
		if !ok {
			return dst, false
		}
		return d.appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
	case kindBytes:
		b, ok := d.bytes()
		return appendBase64(dst, b), ok
	case kindFixed:
		b, ok := d.take(n.size)
		return appendBase64(dst, b), ok
	}
	return dst, d.fail("a union inside a union")
}

func (r *record) append(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	if len(dst) > maxOutput {
		return dst, d.fail("the event is too large as JSON")
	}
	dst = append(dst, '{')
	for i := range r.fields {
		f := &r.fields[i]
		dst = appendKey(dst, f.key)
		var ok bool
		if dst, ok = f.value.append(dst, d, depth); !ok {
			return dst, d.in(f.name)
		}
	}
	return append(dst, '}'), true
}

func (n *node) appendArray(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	dst = append(dst, '[')
	first := true
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
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if dst, ok = n.elem.append(dst, d, depth); !ok {
				return dst, false
			}
		}
	}
}

func (n *node) appendMap(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	dst = append(dst, '{')
	for {
		count, ok := d.blockCount()
		if !ok {
			return dst, false
		}
		if count == 0 {
			return append(dst, '}'), true
		}
		for range count {
			if len(dst) > maxOutput {
				return dst, d.fail("the event is too large as JSON")
			}
			if dst, ok = n.appendEntry(dst, d, depth); !ok {
				return dst, false
			}
		}
	}
}

func (n *node) appendEntry(dst []byte, d *Decoded, depth int) ([]byte, bool) {
	key, ok := d.bytes()
	if !ok {
		return dst, false
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(appendString(dst, key), ':')
	return n.elem.append(dst, d, depth)
}

func (n *node) appendLong(dst []byte, d *Decoded) ([]byte, bool) {
	v, ok := d.long()
	if !ok {
		return dst, false
	}
	switch n.kind {
	case kindDateTime:
		dst, ok = appendDateTime(dst, v)
	case kindDateOnly:
		dst, ok = appendDateOnly(dst, v)
	case kindTimeOnly:
		dst, ok = appendTimeOnly(dst, v)
	default:
		dst = strconv.AppendInt(dst, v, 10)
	}
	if !ok {
		return dst, d.fail("a time outside the calendar")
	}
	return dst, true
}

func (d *Decoded) appendInt(dst []byte) ([]byte, bool) {
	v, ok := d.long()
	if !ok {
		return dst, false
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return dst, d.fail("an int that does not fit 32 bits")
	}
	return strconv.AppendInt(dst, v, 10), true
}

func (d *Decoded) appendBoolean(dst []byte) ([]byte, bool) {
	if d.pos >= len(d.src) {
		return dst, d.fail("the payload ends early")
	}
	b := d.src[d.pos]
	d.pos++
	switch b {
	case 0:
		return append(dst, "false"...), true
	case 1:
		return append(dst, "true"...), true
	}
	return dst, d.fail("a boolean that is neither 0 nor 1")
}

func (d *Decoded) appendDouble(dst []byte) ([]byte, bool) {
	b, ok := d.take(8)
	if !ok {
		return dst, false
	}
	return d.appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
}

func (d *Decoded) appendFloat(dst []byte, f float64, bits int) ([]byte, bool) {
	dst, ok := appendNumber(dst, f, bits)
	if !ok {
		return dst, d.fail("a number that JSON does not have")
	}
	return dst, true
}

func (n *node) symbol(d *Decoded) (int64, bool) {
	i, ok := d.long()
	if !ok {
		return 0, false
	}
	if i < 0 || i >= int64(len(n.symbols)) {
		return 0, d.fail("no such enum symbol")
	}
	return i, true
}

// long reads a zigzag varint.
func (d *Decoded) long() (int64, bool) {
	if d.pos < len(d.src) {
		if b := d.src[d.pos]; b < 0x80 {
			d.pos++
			return int64(b>>1) ^ -int64(b&1), true
		}
	}
	return d.longSlow()
}

func (d *Decoded) longSlow() (int64, bool) {
	v, size := binary.Varint(d.src[d.pos:])
	if size <= 0 {
		if size == 0 {
			return 0, d.fail("the payload ends early")
		}
		return 0, d.fail("an integer that does not fit 64 bits")
	}
	d.pos += size
	return v, true
}

// bytes reads a length and that many bytes, which stay part of the payload.
func (d *Decoded) bytes() ([]byte, bool) {
	n, ok := d.long()
	if !ok {
		return nil, false
	}
	if n < 0 || n > int64(len(d.src)-d.pos) {
		return nil, d.fail("a length beyond the end of the payload")
	}
	b := d.src[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return b, true
}

func (d *Decoded) take(n int) ([]byte, bool) {
	if n > len(d.src)-d.pos {
		return nil, d.fail("the payload ends early")
	}
	b := d.src[d.pos : d.pos+n]
	d.pos += n
	return b, true
}

// blockCount reads the head of an array or map block. A negative count is
// followed by the block's size in bytes, which only helps those who skip.
func (d *Decoded) blockCount() (int64, bool) {
	n, ok := d.long()
	if !ok || n >= 0 {
		return n, ok
	}
	if n == math.MinInt64 {
		return 0, d.fail("a block of impossible length")
	}
	_, ok = d.long()
	return -n, ok
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
