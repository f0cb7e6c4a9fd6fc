package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

var errShort = errors.New("payload ends early")

// Check walks a payload and returns what keeps it from being an event of this
// schema, nil if nothing does. The real service makes no such check: it is for
// an org that was told to be stricter.
func (s *Schema) Check(payload []byte) error {
	r := &reader{rest: payload}
	for i := range s.fields {
		s.fields[i].check(r)
		if r.err != nil {
			return fmt.Errorf("field %s: %w", s.fields[i].name, r.err)
		}
	}
	if len(r.rest) > 0 {
		return fmt.Errorf("%d bytes follow the last field", len(r.rest))
	}
	return nil
}

func (f *field) check(r *reader) {
	if f.required {
		f.checkValue(r)
		return
	}
	switch branch := r.long(); {
	case r.err != nil, branch == 0:
	case len(f.children) > 0 && branch == int64(f.recordBranch):
		for _, c := range f.children {
			part := field{kind: c.kind, valueBranch: 1}
			part.check(r)
		}
	case f.valueBranch > 0 && branch == int64(f.valueBranch):
		f.checkValue(r)
	default:
		r.fail(fmt.Errorf("union has no branch %d", branch))
	}
}

func (f *field) checkValue(r *reader) {
	switch f.kind {
	case kindHeader:
		r.header()
	case kindInt:
		r.int()
	case kindDouble:
		r.skip(8)
	case kindBoolean:
		if b := r.skip(1); len(b) == 1 && b[0] > 1 {
			r.fail(fmt.Errorf("boolean is %d", b[0]))
		}
	case kindDateTime, kindDate, kindTime:
		r.long()
	default:
		r.string()
	}
}

// reader consumes Avro binary; after the first error it consumes no more.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) long() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) int() {
	if v := r.long(); v < math.MinInt32 || v > math.MaxInt32 {
		r.fail(fmt.Errorf("%d is no 32-bit integer", v))
	}
}

func (r *reader) skip(n int64) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > int64(len(r.rest)) {
		r.fail(errShort)
		return nil
	}
	skipped := r.rest[:n]
	r.rest = r.rest[n:]
	return skipped
}

func (r *reader) string() {
	if !utf8.Valid(r.skip(r.long())) {
		r.fail(errors.New("string is not UTF-8"))
	}
}

func (r *reader) strings() {
	for r.err == nil {
		n := r.long()
		if n == 0 {
			return
		}
		if n < 0 { // a block that also says its size in bytes
			n = -n
			r.long()
		}
		for ; n != 0 && r.err == nil; n-- {
			r.string()
		}
	}
}

func (r *reader) header() {
	r.string() // entityName
	r.strings()
	if symbol := r.long(); symbol < 0 || symbol >= int64(len(changeTypes)) {
		r.fail(fmt.Errorf("enum has no symbol %d", symbol))
	}
	r.string() // changeOrigin
	r.string() // transactionKey
	r.int()    // sequenceNumber
	r.long()   // commitTimestamp
	r.long()   // commitNumber
	r.string() // commitUser
	for range 3 {
		r.strings()
	}
}
