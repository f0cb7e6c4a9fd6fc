package restapi

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// page appends JSON by hand: records keep the order of the SELECT list, which
// clients show to people, and a page of 2,000 of them is written without reflection.
type page struct{ buf []byte }

func (p *page) raw(s string) { p.buf = append(p.buf, s...) }

// key writes a member name, with a comma unless it is the first of its object.
func (p *page) key(name string) {
	if last := p.buf[len(p.buf)-1]; last != '{' && last != '[' {
		p.buf = append(p.buf, ',')
	}
	p.text(name)
	p.buf = append(p.buf, ':')
}

func (p *page) text(s string) {
	if isPlain(s) {
		p.buf = append(append(append(p.buf, '"'), s...), '"')
		return
	}
	p.buf = append(p.buf, quoted(s)...)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// quoted writes a text without json.Marshal's escapes of <, > and &, which the org
// does not make. They cannot be undone afterwards: a text may hold their very letters.
func quoted(s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// value writes a field's value in the spelling of its type.
func (p *page) value(v any, kind schema.Type) {
	switch v := v.(type) {
	case nil:
		if kind == schema.TypeBoolean {
			p.raw("false")
			return
		}
		p.raw("null")
	case string:
		p.text(v)
	case bool:
		p.buf = strconv.AppendBool(p.buf, v)
	case int64:
		p.buf = strconv.AppendInt(p.buf, v, 10)
	case float64:
		p.raw(formatDouble(v))
	case time.Time:
		p.text(formatTime(v, kind))
	}
}

// formatTime spells a date or a datetime as the org does.
func formatTime(t time.Time, kind schema.Type) string {
	if kind == schema.TypeDate {
		return t.Format(time.DateOnly)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000+0000")
}

// formatDouble spells numbers like the org, which is to say like Java: always
// with a fraction, and with an exponent from ten million on and below a thousandth.
func formatDouble(x float64) string {
	if a := math.Abs(x); a != 0 && (a >= 1e7 || a < 1e-3) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', -1, 64), "e")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent)
		return mantissa + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// attributes writes the record's type and url.
func (p *page) attributes(base, object, id string) {
	p.key("attributes")
	p.raw(`{"type":`)
	p.text(object)
	p.raw(`,"url":`)
	p.text(base + "/sobjects/" + object + "/" + id)
	p.raw("}")
}

// node writes one record of a query's result, parents included.
func (p *page) node(base string, n *soql.Node, row []any, aggregate bool) {
	p.raw("{")
	switch {
	case aggregate:
		p.key("attributes")
		p.raw(`{"type":"AggregateResult"}`)
	case n.Object != nil:
		p.attributes(base, n.Object.Name, row[n.IDColumn].(string))
	default:
		p.attributes(base, row[n.TypeColumn].(string), row[n.IDColumn].(string))
	}
	for _, item := range n.Items {
		p.key(item.Name)
		switch {
		case item.Parent != nil && row[item.Parent.IDColumn] == nil:
			p.raw("null")
		case item.Parent != nil:
			p.node(base, item.Parent, row, false)
		case item.Variants != nil:
			p.variant(base, item.Variants, row)
		case item.Children != nil:
			p.children(base, row[item.Column])
		case item.Format:
			p.formatted(row[item.Column], item)
		case item.Parts != nil:
			p.compound(item.Parts, func(i int) any { return row[item.Parts[i].Column] })
		case item.Type == schema.TypeBase64 && n.Object != nil:
			p.blob(base, n.Object.Name, row[n.IDColumn], item.Name, row[item.Column])
		default:
			p.value(row[item.Column], item.Type)
		}
	}
	p.raw("}")
}

// blob writes the path of a blob, null when there is none.
func (p *page) blob(base, object string, id any, field string, value any) {
	text, ok := id.(string)
	if !ok || value == nil {
		p.raw("null")
		return
	}
	p.text(base + "/sobjects/" + object + "/" + text + "/" + field)
}

// variant writes the parent of a TYPEOF.
func (p *page) variant(base string, variants []*soql.Node, row []any) {
	for _, n := range variants {
		if row[n.IDColumn] != nil {
			p.node(base, n, row, false)
			return
		}
	}
	p.raw("null")
}

// children writes the result of a child subquery, null when the record has none.
func (p *page) children(base string, cell any) {
	result, ok := cell.(*record.Result)
	if !ok {
		p.raw("null")
		return
	}
	p.raw(`{"totalSize":` + strconv.Itoa(result.Total) + `,"done":true,"records":[`)
	for i, row := range result.Rows {
		if i > 0 {
			p.raw(",")
		}
		p.node(base, result.Plan.Root, row, false)
	}
	p.raw("]}")
}

// compound writes an address as an object, null when every part is.
func (p *page) compound(parts []soql.Item, value func(int) any) {
	empty := true
	for i := range parts {
		empty = empty && value(i) == nil
	}
	if empty {
		p.raw("null")
		return
	}
	p.raw("{")
	for i, part := range parts {
		p.key(lowerFirst(part.Name))
		p.value(value(i), part.Type)
	}
	p.raw("}")
}

func lowerFirst(s string) string {
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

// record writes a whole row with the fields given.
func (p *page) record(base string, o *schema.Object, row record.Row, fields []*schema.Field) {
	p.raw("{")
	p.attributes(base, o.Name, row["Id"].(string))
	for _, f := range fields {
		p.key(f.Name)
		p.field(base, o, row, f)
	}
	p.raw("}")
}

func (p *page) field(base string, o *schema.Object, row record.Row, f *schema.Field) {
	switch f.Type {
	case schema.TypeBase64:
		p.blob(base, o.Name, row["Id"], f.Name, row[f.Name])
	case schema.TypeAddress, schema.TypeLocation:
		fields := o.Parts(f.Name)
		parts := make([]soql.Item, len(fields))
		for i, part := range fields {
			parts[i] = soql.Item{Name: part.Part, Type: part.Type}
		}
		p.compound(parts, func(i int) any { return row[fields[i].Name] })
	case schema.TypePersonName:
		p.value(fullName(row), f.Type)
	default:
		p.value(row[f.Name], f.Type)
	}
}

func fullName(row record.Row) any {
	last, ok := row["LastName"].(string)
	if !ok {
		return nil
	}
	if first, ok := row["FirstName"].(string); ok {
		return first + " " + last
	}
	return last
}
