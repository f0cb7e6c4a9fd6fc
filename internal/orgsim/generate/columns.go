package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// columnsOf decides, once per run, what fills each field of an object.
func (g *run) columnsOf(o *schema.Object) []column {
	var columns []column
	for _, f := range o.Fields {
		if !f.Createable || f.AutoNumber != "" || f.IsCompound() || f.Type == schema.TypeID || isPlace(f) {
			continue
		}
		if v := g.valueOf(o, f); v != nil {
			columns = append(columns, column{f.Name, v})
		}
	}
	return columns
}

// isPlace says that a field is a coordinate, which would have to fit the city.
func isPlace(f *schema.Field) bool {
	return f.Part == "Latitude" || f.Part == "Longitude" || f.Part == "GeocodeAccuracy"
}

func (g *run) valueOf(o *schema.Object, f *schema.Field) value {
	if f.Type == schema.TypeReference {
		return g.referenceValue(o, f)
	}
	v := g.plainValue(o, f)
	if v == nil || f.Nillable {
		return v
	}
	return func(r *rand.Rand, p *person) any { // a required field is never empty
		for range 8 {
			if made := v(r, p); made != nil {
				return made
			}
		}
		return fallback(f)
	}
}

func fallback(f *schema.Field) any {
	switch f.Type {
	case schema.TypeBoolean:
		return false
	case schema.TypeInt, schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
		if f.Type == schema.TypeInt {
			return int64(0)
		}
		return 0.0
	}
	return "-"
}

func (g *run) plainValue(o *schema.Object, f *schema.Field) value {
	if f.Unique || f.ExternalID {
		return g.keyValue(f)
	}
	switch f.Type {
	case schema.TypeString, schema.TypeURL, schema.TypeTextArea, schema.TypeEmail, schema.TypePhone:
		return cut(f.Length, g.wordsValue(o, f))
	case schema.TypePicklist:
		return pickOf(f.Picklist)
	case schema.TypeMultiPicklist:
		return func(r *rand.Rand, _ *person) any { return several(r, f.Picklist) }
	case schema.TypeBoolean:
		return func(r *rand.Rand, _ *person) any { return r.Float64() < 0.12 }
	case schema.TypeDate, schema.TypeDateTime:
		return g.timeValue(f)
	}
	return numberValue(f)
}

func (g *run) wordsValue(o *schema.Object, f *schema.Field) value {
	switch {
	case f.Type == schema.TypeEmail:
		return email
	case f.Type == schema.TypePhone:
		return phone
	case f.Type == schema.TypeURL:
		return func(_ *rand.Rand, p *person) any { return "https://www." + p.domain }
	case f.Type == schema.TypeTextArea && f.Part == "":
		return func(r *rand.Rand, _ *person) any {
			return maybe(r, 0.4, pick(r, g.words.sentences)+" "+pick(r, g.words.sentences))
		}
	}
	return g.words.textValue(o, f)
}

func numberValue(f *schema.Field) value {
	switch f.Type {
	case schema.TypeInt:
		return whole(math.Pow10(min(max(f.Precision, 1), 5) - 1))
	case schema.TypeCurrency:
		return amount(math.Min(12_000, room(f)/50), 1.1, f.Scale)
	case schema.TypePercent:
		return func(r *rand.Rand, _ *person) any { return float64(r.IntN(21) * 5) }
	case schema.TypeDouble:
		return bounded(room(f), amount(math.Min(100, room(f)/10), 0.8, f.Scale))
	}
	return nil // blobs, locations: nothing believable
}

// room is the largest number that fits the field.
func room(f *schema.Field) float64 {
	if f.Precision == 0 {
		return 1e9
	}
	return math.Pow10(f.Precision-f.Scale) - 1
}

func bounded(most float64, v value) value {
	return func(r *rand.Rand, p *person) any { return math.Min(v(r, p).(float64), most) }
}

func whole(middle float64) value {
	v := amount(math.Max(middle/20, 1), 1, 0)
	return func(r *rand.Rand, p *person) any { return int64(math.Min(v(r, p).(float64), middle*10-1)) }
}

// several draws some of the values, in their order, as the org writes them.
func several(r *rand.Rand, values []string) any {
	var chosen []string
	for _, v := range values {
		if r.Float64() < 0.3 {
			chosen = append(chosen, v)
		}
	}
	if chosen == nil {
		return nil
	}
	return strings.Join(chosen, ";")
}

// timeValue spreads dates as the field's name suggests.
func (g *run) timeValue(f *schema.Field) value {
	const day = 24 * time.Hour
	switch name := bare(f.Name); {
	case strings.Contains(name, "birth"):
		return func(r *rand.Rand, _ *person) any {
			return dated(f, g.now.Add(-time.Duration(r.IntN(50*365)+20*365)*day))
		}
	case strings.Contains(name, "close"), strings.Contains(name, "end"), strings.Contains(name, "due"), name == "activitydate":
		return func(r *rand.Rand, p *person) any { return dated(f, p.created.Add(time.Duration(r.IntN(240)+1)*day)) }
	}
	return func(r *rand.Rand, p *person) any {
		return maybe(r, 0.7, dated(f, p.created.Add(time.Duration(r.IntN(90))*day)))
	}
}

// dated is a moment as the field's type holds it.
func dated(f *schema.Field, t time.Time) time.Time {
	if f.Type == schema.TypeDate {
		return t.Truncate(24 * time.Hour)
	}
	return t
}

// keyValue makes values that no earlier run with another seed, and no earlier row
// of this one, has.
func (g *run) keyValue(f *schema.Field) value {
	switch f.Type {
	case schema.TypeEmail:
		return email
	case schema.TypeInt:
		return func(_ *rand.Rand, p *person) any { return p.number }
	case schema.TypeDouble:
		return func(_ *rand.Rand, p *person) any { return float64(p.number) }
	case schema.TypeString, schema.TypeTextArea, schema.TypeURL, schema.TypePhone:
		prefix := "G" + strconv.FormatUint(g.seed%1_679_616, 36) + "-"
		return cut(f.Length, func(_ *rand.Rand, p *person) any { return prefix + fmt.Sprintf("%07d", p.number) })
	}
	return nil
}

// cut keeps a text inside the field's length.
func cut(length int, v value) value {
	if length <= 0 {
		length = math.MaxInt
	}
	return func(r *rand.Rand, p *person) any {
		text, ok := v(r, p).(string)
		if !ok || text == "" {
			return nil
		}
		if len(text) > length { // the words are ASCII
			text = strings.TrimSpace(text[:length])
		}
		return text
	}
}
