package avro

import (
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// AppendEvent appends a platform event's payload to dst. The two fields that an
// event always has come from the arguments, whatever the row says.
func (s *Schema) AppendEvent(dst []byte, at time.Time, by salesforce.ID, row record.Row) ([]byte, error) {
	dst = appendLong(dst, at.UnixMilli())
	dst = appendString(dst, string(by))
	for i := 2; i < len(s.fields); i++ {
		var err error
		if dst, err = s.fields[i].appendTo(dst, row[s.fields[i].name]); err != nil {
			return nil, fmt.Errorf("encode %s: %w", s.Name, err)
		}
	}
	return dst, nil
}

// AppendChange appends a change event's payload to dst: the header, then the
// row's values of the fields that carried holds. A nil carried means every field.
func (s *Schema) AppendChange(dst []byte, h *Header, row record.Row, carried map[string]bool) ([]byte, error) {
	dst, err := h.appendTo(dst)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", s.Name, err)
	}
	value := func(name string) any {
		if carried != nil && !carried[name] {
			return nil
		}
		return row[name]
	}
	for i := 1; i < len(s.fields); i++ {
		f := &s.fields[i]
		if f.kind == kindRecord {
			dst, err = f.appendRecord(dst, value)
		} else {
			dst, err = f.appendTo(dst, value(f.name))
		}
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", s.Name, err)
		}
	}
	return dst, nil
}

func (f *field) appendTo(dst []byte, v any) ([]byte, error) {
	if !f.required {
		if v == nil {
			return appendLong(dst, 0), nil
		}
		dst = appendLong(dst, int64(f.valueBranch))
	}
	dst, err := f.kind.appendValue(dst, v)
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", f.name, err)
	}
	return dst, nil
}

// appendRecord writes a compound field: null if none of its parts has a value.
func (f *field) appendRecord(dst []byte, value func(string) any) ([]byte, error) {
	empty := true
	for _, c := range f.children {
		empty = empty && (c.key == "" || value(c.key) == nil)
	}
	if empty {
		return appendLong(dst, 0), nil
	}
	dst = appendLong(dst, int64(f.recordBranch))
	for _, c := range f.children {
		var v any
		if c.key != "" {
			v = value(c.key)
		}
		part := field{name: f.name + "." + c.name, kind: c.kind, valueBranch: 1}
		var err error
		if dst, err = part.appendTo(dst, v); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
