package pubsub

import (
	"fmt"
	"strings"
)

const (
	// maxDepth bounds nesting of types that contain themselves; real schemas
	// have three levels.
	maxDepth = 32
	// maxOutput bounds the JSON of one event. An event has at most 1 MB, and
	// escaping multiplies by six at most; only hostile bytes get here.
	maxOutput = 8 << 20
)

// DecodeError says which field of a payload could not be read, and where. It
// never quotes the payload.
type DecodeError struct {
	// Field is the path of the field: "BillingAddress.City".
	Field string
	// Offset is the place in the payload where reading stopped.
	Offset int
	// Reason is what was wrong there.
	Reason string
}

// Error returns field, offset and reason.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode field %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// Decoded is what a plan captures on its way through a payload, and the scratch
// memory it needs for that. Reuse one Decoded for event after event: its slices
// point into the payload last decoded, or into its own scratch. It is not safe
// for concurrent use.
type Decoded struct {
	// Entity is the changed sObject ("Account"); nil for a platform event.
	Entity []byte
	// ChangeType is CREATE, UPDATE, GAP_OVERFLOW...; empty for a platform event.
	ChangeType string
	// RecordIDs are the header's recordIds; none for a platform event. IDsFrom and
	// IDsTo are where their list stands in the event's JSON.
	RecordIDs      [][]byte
	IDsFrom, IDsTo int
	// Millis is the commit time of a change or CreatedDate of a platform event,
	// in milliseconds since 1970; Timed says whether there was one.
	Millis int64
	Timed  bool
	// Key is the value of the plan's key field as text; nil when there is no
	// such field or it is null (on an UPDATE also: unchanged).
	Key []byte

	src  []byte
	pos  int
	mode fieldMode
	// topBits and childBits say which fields an UPDATE names in any of its bitmaps.
	topBits, childBits []uint64
	// enriched holds, for values that came without being named, the field's
	// index and the offset of its value.
	enriched []enrichedField
	keyAt    int // offset of the key field's value, -1 for none
	keyText  []byte
	reason   string // why reading stopped
	path     string // of the field where it stopped
}

// Splits reports whether the event stands for as many as it has records: Salesforce
// merges like changes of one transaction. A gap event does not, although it may name
// several: there is nothing in it that could be ordered.
func (d *Decoded) Splits() bool {
	return len(d.RecordIDs) > 1 && !strings.HasPrefix(d.ChangeType, "GAP_")
}

type enrichedField struct{ index, at int }

// AppendJSON decodes one payload, appends its JSON to dst and returns the longer
// slice. d is overwritten. It allocates only when dst is too small or d is new.
// On error, dst is returned as it was, and the error is a *DecodeError.
func (p *Plan) AppendJSON(dst, payload []byte, d *Decoded) ([]byte, error) {
	d.reset(payload, p)
	out, ok := dst, false
	if p.header != nil {
		out, ok = p.appendChange(dst, d)
	} else {
		out, ok = p.appendEvent(dst, d)
	}
	if ok && d.pos != len(payload) {
		ok = d.fail("bytes left after the last field")
	}
	if ok {
		ok = p.captureKey(d)
	}
	if !ok {
		return dst, d.err()
	}
	d.IDsFrom, d.IDsTo = d.IDsFrom-len(dst), d.IDsTo-len(dst)
	return out, nil
}

func (d *Decoded) reset(payload []byte, p *Plan) {
	d.Entity, d.ChangeType, d.RecordIDs, d.Key = nil, "", d.RecordIDs[:0], nil
	d.Millis, d.Timed = 0, false
	d.src, d.pos, d.keyAt = payload, 0, -1
	d.mode, d.reason, d.path = modeAll, "", ""
	d.enriched = d.enriched[:0]
	d.topBits = zeroed(d.topBits, words(len(p.root.fields)))
	d.childBits = zeroed(d.childBits, p.childWords)
}

func zeroed(bits []uint64, n int) []uint64 {
	if cap(bits) < n {
		return make([]uint64, n)
	}
	bits = bits[:n]
	clear(bits)
	return bits
}

// fail notes why reading stopped and returns false, the "not ok" of every reader.
func (d *Decoded) fail(reason string) bool {
	if d.reason == "" {
		d.reason = reason
	}
	return false
}

// in adds a record's field to the path of a failure that is on its way up.
func (d *Decoded) in(name string) bool {
	if d.path == "" {
		d.path = name
	} else {
		d.path = name + "." + d.path
	}
	return false
}

func (d *Decoded) err() error {
	path := d.path
	if path == "" {
		path = "(event)"
	}
	return &DecodeError{Field: path, Offset: d.pos, Reason: d.reason}
}

// appendEvent writes a platform event: one flat object with every field.
func (p *Plan) appendEvent(dst []byte, d *Decoded) ([]byte, bool) {
	dst = append(dst, '{')
	for i := range p.root.fields {
		f := &p.root.fields[i]
		switch i {
		case p.key:
			d.keyAt = d.pos
		case p.time:
			d.captureTime()
		}
		dst = appendKey(dst, f.key)
		var ok bool
		if dst, ok = f.value.append(dst, d, 0); !ok {
			return dst, d.in(f.name)
		}
	}
	return append(dst, '}'), true
}

// captureTime reads ahead the long at the cursor; a broken one fails when its
// field is read in turn.
func (d *Decoded) captureTime() {
	at := d.pos
	d.Millis, d.Timed = d.long()
	d.pos, d.reason = at, ""
}

// captureKey reads the key field's value again, as text.
func (p *Plan) captureKey(d *Decoded) bool {
	if d.keyAt < 0 {
		return true
	}
	d.pos = d.keyAt
	n, ok := p.root.fields[p.key].value.branch(d)
	if !ok || n.kind == kindNull {
		return ok
	}
	if n.kind == kindString {
		d.Key, ok = d.bytes()
		return ok
	}
	d.keyText, ok = n.append(d.keyText[:0], d, 0)
	d.Key = unquoted(d.keyText)
	return ok
}

func unquoted(text []byte) []byte {
	if len(text) >= 2 && text[0] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}
