package pubsub

import "strings"

// fieldMode is which fields of a change event are written.
type fieldMode uint8

const (
	// modeAll writes every non-null field: CREATE, UNDELETE.
	modeAll fieldMode = iota
	// modeNamed writes the fields that the bitmaps name: UPDATE.
	modeNamed
	// modeNone writes none: DELETE and gap events.
	modeNone
)

func modeOf(changeType string) fieldMode {
	switch {
	case changeType == "UPDATE":
		return modeNamed
	case changeType == "DELETE", strings.HasPrefix(changeType, "GAP_"):
		return modeNone
	}
	return modeAll
}

// appendChange writes a change event.
func (p *Plan) appendChange(dst []byte, d *Decoded) ([]byte, bool) {
	dst = append(dst, `{"header":{`...)
	var ok bool
	for i := range p.header.fields {
		f := &p.header.fields[i]
		dst = appendKey(dst, f.key)
		if dst, ok = p.appendHeader(dst, d, f); !ok {
			d.in(f.name)
			return dst, d.in(p.root.fields[0].name)
		}
	}
	dst = append(dst, `},"fields":{`...)
	for i := 1; i < len(p.root.fields); i++ {
		if dst, ok = p.appendField(dst, d, i); !ok {
			return dst, d.in(p.root.fields[i].name)
		}
	}
	dst = append(dst, '}')
	if len(d.enriched) > 0 {
		if dst, ok = p.appendEnriched(dst, d); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func (p *Plan) appendHeader(dst []byte, d *Decoded, f *field) (out []byte, ok bool) {
	switch f.role {
	case roleEntityName:
		d.Entity, ok = d.bytes()
		return appendString(dst, d.Entity), ok
	case roleRecordIDs:
		return d.appendRecordIDs(dst)
	case roleChangeType:
		i, ok := f.value.symbol(d)
		if !ok {
			return dst, false
		}
		d.ChangeType = f.value.symbols[i]
		d.mode = modeOf(d.ChangeType)
		return append(dst, f.value.quoted[i]...), true
	case roleCommitTimestamp:
		if d.Millis, d.Timed = d.long(); !d.Timed {
			return dst, false
		}
		if dst, ok = appendDateTime(dst, d.Millis); !ok {
			return dst, d.fail("a time outside the calendar")
		}
		return dst, true
	case roleChanged, roleNulled, roleDiff:
		return p.appendNames(dst, d)
	}
	return f.value.appendBranch(dst, d, 1)
}

func (d *Decoded) appendRecordIDs(dst []byte) ([]byte, bool) {
	d.IDsFrom = len(dst)
	dst = append(dst, '[')
	for {
		count, ok := d.blockCount()
		if !ok {
			return dst, false
		}
		if count == 0 {
			dst = append(dst, ']')
			d.IDsTo = len(dst)
			return dst, true
		}
		for range count {
			id, ok := d.bytes()
			if !ok {
				return dst, false
			}
			if len(d.RecordIDs) > 0 {
				dst = append(dst, ',')
			}
			d.RecordIDs = append(d.RecordIDs, id)
			dst = appendString(dst, id)
		}
	}
}

// appendField writes a top-level field if the event's mode and bitmaps ask for
// it. A value that nobody asked for is put aside as enriched.
func (p *Plan) appendField(dst []byte, d *Decoded, i int) ([]byte, bool) {
	f := &p.root.fields[i]
	at := d.pos
	if i == p.key {
		d.keyAt = at
	}
	n, ok := f.value.branch(d)
	if !ok {
		return dst, false
	}
	null := n.kind == kindNull
	switch {
	case d.mode == modeAll && null:
		return dst, true
	case d.mode == modeNamed && d.topBits[i/64]>>(i%64)&1 != 0:
		return n.appendBranch(appendKey(dst, f.key), d, 0)
	case d.mode == modeAll && n.kind == kindRecord:
		return n.record.appendNonNull(appendKey(dst, f.key), d)
	case d.mode == modeAll:
		return n.appendBranch(appendKey(dst, f.key), d, 0)
	case d.mode == modeNamed && f.compound != nil && d.anyChild(f):
		return p.appendParts(dst, d, i, n, at)
	case null:
		return dst, true
	}
	return d.putAside(dst, n, enrichedField{i, at})
}

// putAside reads past a value, keeping its place.
func (d *Decoded) putAside(dst []byte, n *node, e enrichedField) ([]byte, bool) {
	end := len(dst)
	dst, ok := n.appendBranch(dst, d, 0)
	d.enriched = append(d.enriched, e)
	return dst[:end], ok
}

func (d *Decoded) anyChild(f *field) bool {
	for _, w := range d.childBits[f.childAt : f.childAt+words(len(f.compound.fields))] {
		if w != 0 {
			return true
		}
	}
	return false
}

func (d *Decoded) childNamed(f *field, child int) bool {
	return d.childBits[f.childAt+child/64]>>(child%64)&1 != 0
}

// appendParts writes the parts of a compound field that the bitmaps name. n is
// the branch that the payload has: the record, null (every named part was
// nulled), or a plain string (which has no parts and is written whole).
func (p *Plan) appendParts(dst []byte, d *Decoded, i int, n *node, at int) ([]byte, bool) {
	f := &p.root.fields[i]
	dst = appendKey(dst, f.key)
	if n.kind != kindRecord && n.kind != kindNull {
		return n.appendBranch(dst, d, 0)
	}
	dst = append(dst, '{')
	extra := false
	for c := range f.compound.fields {
		child := &f.compound.fields[c]
		named := d.childNamed(f, c)
		switch {
		case n.kind == kindNull && named:
			dst = append(appendKey(dst, child.key), "null"...)
			continue
		case n.kind == kindNull:
			continue
		}
		value, ok := child.value.branch(d)
		if !ok {
			return dst, d.in(child.name)
		}
		end := len(dst)
		if named {
			dst = appendKey(dst, child.key)
		}
		if dst, ok = value.appendBranch(dst, d, 1); !ok {
			return dst, d.in(child.name)
		}
		if !named {
			dst = dst[:end]
			extra = extra || value.kind != kindNull
		}
	}
	if extra {
		d.enriched = append(d.enriched, enrichedField{i, at})
	}
	return append(dst, '}'), true
}

// appendNonNull writes a compound field of a new record without its empty parts.
func (r *record) appendNonNull(dst []byte, d *Decoded) ([]byte, bool) {
	dst = append(dst, '{')
	for i := range r.fields {
		f := &r.fields[i]
		n, ok := f.value.branch(d)
		if !ok {
			return dst, d.in(f.name)
		}
		if n.kind == kindNull {
			continue
		}
		if dst, ok = n.appendBranch(appendKey(dst, f.key), d, 1); !ok {
			return dst, d.in(f.name)
		}
	}
	return append(dst, '}'), true
}

// appendEnriched writes the values put aside, by reading them again.
func (p *Plan) appendEnriched(dst []byte, d *Decoded) ([]byte, bool) {
	end := d.pos
	dst = append(dst, `,"enriched":{`...)
	for _, e := range d.enriched {
		f := &p.root.fields[e.index]
		d.pos = e.at
		n, ok := f.value.branch(d)
		if ok && n.kind == kindRecord {
			dst, ok = n.record.appendNonNull(appendKey(dst, f.key), d)
		} else if ok {
			dst, ok = n.appendBranch(appendKey(dst, f.key), d, 0)
		}
		if !ok {
			return dst, d.in(f.name)
		}
	}
	d.pos = end
	return append(dst, '}'), true
}
