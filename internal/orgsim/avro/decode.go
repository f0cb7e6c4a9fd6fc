package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Value is a decoded field. V is nil, string, bool, int64, float64, time.Time,
// []string or a [Record]; dates and times of day are strings, as JSON has them.
type Value struct {
	Name string
	V    any
}

// Record is a decoded record, fields in the schema's order.
type Record []Value

// Get returns the value of a field, nil if there is none.
func (r Record) Get(name string) any {
	for i := range r {
		if r[i].Name == name {
			return r[i].V
		}
	}
	return nil
}

// Decode reads a payload. Whoever publishes may publish any bytes, so an error
// is to be expected and says what is wrong with them.
func (d *Decoder) Decode(payload []byte) (Record, error) {
	r := &reader{rest: payload}
	record := d.root.decodeRecord(r)
	if r.err != nil {
		return nil, fmt.Errorf("decode %s: %w", d.name, r.err)
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("decode %s: %d bytes follow the last field", d.name, len(r.rest))
	}
	return record, nil
}

func (s *shape) decodeRecord(r *reader) Record {
	record := make(Record, 0, len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		v := f.shape.decode(r)
		if millis, ok := v.(int64); ok && f.moment != "" {
			v = moment(f.moment, millis)
		}
		record = append(record, Value{f.name, v})
		if r.err != nil {
			r.err = fmt.Errorf("field %s: %w", f.name, r.err)
			return nil
		}
	}
	return record
}

func (s *shape) decode(r *reader) any {
	switch s.kind {
	case "record":
		return s.decodeRecord(r)
	case "union":
		branch := r.long()
		if branch < 0 || branch >= int64(len(s.branches)) {
			r.fail(fmt.Errorf("union has no branch %d", branch))
			return nil
		}
		return s.branches[branch].decode(r)
	case "enum":
		symbol := r.long()
		if symbol < 0 || symbol >= int64(len(s.symbols)) {
			r.fail(fmt.Errorf("enum has no symbol %d", symbol))
			return nil
		}
		return s.symbols[symbol]
	case "array":
		return r.texts()
	default:
		return s.decodeScalar(r)
	}
}

func (s *shape) decodeScalar(r *reader) any {
	switch s.kind {
	case "string":
		return r.text()
	case "int", "long":
		return r.long()
	case "double":
		if b := r.skip(8); len(b) == 8 {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		return nil
	case "boolean":
		b := r.skip(1)
		if len(b) == 1 && b[0] > 1 {
			r.fail(fmt.Errorf("boolean is %d", b[0]))
		}
		return len(b) == 1 && b[0] == 1
	default: // null
		return nil
	}
}

// text reads a string. The org's bus carries UTF-8 only.
func (r *reader) text() string {
	before := r.rest
	r.string()
	if r.err != nil {
		return ""
	}
	length, n := binary.Varint(before)
	return string(before[n : n+int(length)])
}

var errBlock = errors.New("array block has an impossible length")

// texts reads an array of strings. It allocates as it reads: a length that lies
// costs nothing.
func (r *reader) texts() []string {
	list := []string{}
	for r.err == nil {
		n := r.long()
		if n == 0 {
			break
		}
		if n < 0 { // a block that also says its size in bytes
			n = -n
			r.long()
		}
		if n > int64(len(r.rest)) || n < 0 { // a string takes a byte at least
			r.fail(errBlock)
		}
		for ; n > 0 && r.err == nil; n-- {
			list = append(list, r.text())
		}
	}
	return list
}

func moment(kind string, millis int64) any {
	at := time.UnixMilli(millis).UTC()
	switch kind {
	case "DateOnly":
		return at.Format(time.DateOnly)
	case "TimeOnly":
		return at.Format("15:04:05.000Z")
	default:
		return at
	}
}
