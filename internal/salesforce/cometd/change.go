package cometd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// header is what is needed of a ChangeEventHeader.
type header struct {
	EntityName      *string         `json:"entityName"`
	ChangeType      *string         `json:"changeType"`
	RecordIDs       []string        `json:"recordIds"`
	CommitTimestamp *int64          `json:"commitTimestamp"`
	ChangedFields   json.RawMessage `json:"changedFields"`
}

// change writes a change event.
func (d *Decoded) change(head json.RawMessage, fields []member) error {
	var h header
	if err := json.Unmarshal(head, &h); err != nil || h.EntityName == nil || h.ChangeType == nil {
		return fmt.Errorf("%w: no usable %s", errPayload, headerField)
	}
	parts, err := parseObject(head)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errPayload, headerField, err)
	}
	if h.CommitTimestamp != nil {
		if d.Time = time.UnixMilli(*h.CommitTimestamp).UTC(); d.Time.Year() < 0 || d.Time.Year() > 9999 {
			return fmt.Errorf("%w: commitTimestamp is outside the calendar", errPayload)
		}
	}
	d.Entity, d.ChangeType = *h.EntityName, *h.ChangeType
	d.RecordIDs = h.RecordIDs
	c := changes{named: map[string]*named{}}
	if err := c.read(h.ChangedFields, fields, d.ChangeType); err != nil {
		return err
	}
	for _, f := range fields {
		if f.name != headerField {
			c.field(f, d.ChangeType)
		}
	}
	d.JSON = c.write(d.JSON, parts, d)
	return nil
}

// named is what changedFields says of a field.
type named struct {
	whole bool
	parts []string
}

func (n *named) has(part string) bool {
	for _, p := range n.parts {
		if p == part {
			return true
		}
	}
	return false
}

// changes sorts the fields of a change event.
type changes struct {
	named                 map[string]*named
	changed, nulled, diff []string
	fields, enriched      writer
}

// read reads changedFields. A server of before 2020 does not send it; then what
// an UPDATE brings is what changed.
func (c *changes) read(list json.RawMessage, fields []member, changeType string) error {
	switch {
	case len(list) > 0 && string(list) != "null":
		if err := json.Unmarshal(list, &c.changed); err != nil {
			return fmt.Errorf("%w: changedFields is no list of names", errPayload)
		}
	case changeType == "UPDATE":
		for _, f := range fields {
			if f.name != headerField {
				c.changed = append(c.changed, f.name)
			}
		}
	}
	for _, name := range c.changed {
		parent, part, compound := strings.Cut(name, ".")
		n := c.named[parent]
		if n == nil {
			n = &named{}
			c.named[parent] = n
		}
		if compound {
			n.parts = append(n.parts, part)
		} else {
			n.whole = true
		}
	}
	return nil
}

// field puts a field where it belongs: UPDATE tells what changed, with null for
// what was nulled; CREATE and UNDELETE tell every value; DELETE and gap events
// none. A value that does not belong came by enrichment.
func (c *changes) field(f member, changeType string) {
	n := c.named[f.name]
	switch {
	case changeType == "DELETE", strings.HasPrefix(changeType, "GAP_"):
		c.enriched.filled(f)
	case changeType != "UPDATE":
		c.fields.filled(f)
	case n == nil:
		c.enriched.filled(f)
	case n.whole:
		c.wholly(f)
	default:
		c.partly(f, n)
	}
}

// wholly writes a field named as a whole. A long text may come as a unified
// diff, {"diff":"..."}.
func (c *changes) wholly(f member) {
	if f.null() {
		c.nulled = append(c.nulled, f.name)
	}
	if parts, err := parseObject(f.value); err == nil && len(parts) == 1 && parts[0].name == "diff" {
		c.diff = append(c.diff, f.name)
		f.value = parts[0].value
	}
	c.fields.member(f)
}

// partly writes the named parts of a compound field. Null for the whole field
// means that every named part was nulled; text has no parts and is written whole.
func (c *changes) partly(f member, n *named) {
	parts, err := parseObject(f.value)
	if err != nil && !f.null() {
		c.fields.member(f)
		return
	}
	if f.null() {
		for _, p := range n.parts {
			parts = append(parts, member{p, json.RawMessage("null")})
		}
	}
	inner := writer{}
	inner.open()
	extra := false
	for _, p := range parts {
		if !n.has(p.name) {
			extra = extra || !p.null()
			continue
		}
		if p.null() {
			c.nulled = append(c.nulled, f.name+"."+p.name)
		}
		inner.member(p)
	}
	inner.close()
	c.fields.raw(f.name, inner.out)
	if extra {
		c.enriched.filled(f)
	}
}

// write writes the event. The header keeps the server's keys; the lists of
// names have shorter ones, and the commit time is text. It notes in d where the
// record Ids stand.
func (c *changes) write(dst []byte, head []member, d *Decoded) []byte {
	commit, h := d.Time, writer{}
	h.open()
	for _, m := range head {
		switch m.name {
		case "changedFields", "nulledFields", "diffFields":
		case "commitTimestamp":
			if commit.IsZero() {
				h.member(m)
				continue
			}
			h.raw(m.name, commit.AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`))
		case "recordIds":
			h.key(m.name)
			d.IDsFrom = len(h.out)
			h.out = appendValue(h.out, m.value)
			d.IDsTo = len(h.out)
		default:
			h.member(m)
		}
	}
	h.raw("nulled", list(c.nulled))
	h.raw("diff", list(c.diff))
	h.raw("changed", list(c.changed))
	h.close()
	w := writer{out: dst}
	w.open()
	w.raw("header", h.out)
	at := len(w.out) - len(h.out)
	d.IDsFrom, d.IDsTo = d.IDsFrom+at, d.IDsTo+at
	w.raw("fields", c.fields.object())
	if len(c.enriched.out) > 0 {
		w.raw("enriched", c.enriched.object())
	}
	w.close()
	return w.out
}

func list(names []string) []byte {
	if len(names) == 0 {
		return []byte("[]")
	}
	text, _ := json.Marshal(names) // strings always marshal
	return text
}
