package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// history is how far back rows were created.
const history = 2 * 365 * 24 * time.Hour

// lists are the words of one run, made once.
type lists struct {
	first, last, heads, trades, forms, streets, titles, subjects, sentences, things []string
	cities                                                                          []city
}

func newLists() lists {
	return lists{
		firstNames(), lastNames(), companyHeads(), companyTrades(), companyForms(), streets(), titles(), subjects(), sentences(), things(), cities(),
	}
}

// person is who or what one row is about, so that its fields fit each other.
type person struct {
	first, last, company, domain string
	city                         city
	created                      time.Time
	number                       int64 // of the row among those of its object
}

// draw makes up what a row is about.
func (l *lists) draw(r *rand.Rand, now time.Time, number int64) person {
	head, trade := pick(r, l.heads), pick(r, l.trades)
	p := person{
		first: pick(r, l.first), last: pick(r, l.last), company: head + " " + trade + " " + pick(r, l.forms),
		domain: strings.ToLower(strings.ReplaceAll(head, " ", "")+strings.ReplaceAll(trade, " ", "")) + ".example",
		city:   l.cities[r.IntN(len(l.cities))], number: number,
	}
	p.created = now.Add(-time.Duration(r.Int64N(int64(history)))).Truncate(time.Second)
	return p
}

func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }

// value makes up a field's value, nil for none.
type value func(r *rand.Rand, p *person) any

// column is one field with what fills it.
type column struct {
	name string
	make value
}

// textValue knows fields by their names.
func (l *lists) textValue(o *schema.Object, f *schema.Field) value {
	if f.Part != "" && f.Type != schema.TypePersonName {
		if v := l.addressValue(f.Part); v != nil {
			return v
		}
	}
	switch bare(f.Name) {
	case "firstname":
		return func(_ *rand.Rand, p *person) any { return p.first }
	case "lastname":
		return func(_ *rand.Rand, p *person) any { return p.last }
	case "company", "companyname":
		return func(_ *rand.Rand, p *person) any { return p.company }
	case "title", "jobtitle":
		return func(r *rand.Rand, _ *person) any { return pick(r, l.titles) }
	case "subject":
		return func(r *rand.Rand, _ *person) any { return pick(r, l.subjects) }
	case "city":
		return l.addressValue("City")
	case "country":
		return l.addressValue("Country")
	case "street":
		return l.addressValue("Street")
	case "suppliedname", "contactname":
		return func(_ *rand.Rand, p *person) any { return p.first + " " + p.last }
	case "suppliedcompany":
		return func(_ *rand.Rand, p *person) any { return p.company }
	case "site":
		return pickOf([]string{"Headquarters", "Warehouse", "Plant", "Branch"})
	case "sic", "accountnumber", "zip":
		return func(r *rand.Rand, _ *person) any { return fmt.Sprintf("%04d", r.IntN(10_000)) }
	case "website":
		return func(_ *rand.Rand, p *person) any { return "https://www." + p.domain }
	}
	if f.NameField {
		return l.nameValue(o)
	}
	return func(r *rand.Rand, _ *person) any {
		return maybe(r, 0.5, pick(r, l.things)+" "+strconv.Itoa(r.IntN(900)+100))
	}
}

// bare is a field's name in lower case without its suffix and underscores.
func bare(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(name, "__c")), "_", "")
}

func (l *lists) nameValue(o *schema.Object) value {
	switch o.Name {
	case "Account":
		return func(_ *rand.Rand, p *person) any { return p.company }
	case "Opportunity":
		return func(r *rand.Rand, p *person) any { return p.company + " - " + pick(r, l.things) }
	}
	return func(_ *rand.Rand, p *person) any { return fmt.Sprintf("%s %06d", o.Label, p.number) }
}

func (l *lists) addressValue(part string) value {
	switch part {
	case "Street":
		return func(r *rand.Rand, _ *person) any { return strconv.Itoa(r.IntN(280)+1) + " " + pick(r, l.streets) }
	case "City":
		return func(_ *rand.Rand, p *person) any { return p.city.name }
	case "State":
		return func(_ *rand.Rand, p *person) any { return p.city.state }
	case "PostalCode":
		return func(r *rand.Rand, p *person) any { return postal(r, p.city.postal) }
	case "Country":
		return func(_ *rand.Rand, p *person) any { return p.city.country }
	}
	return nil
}

func postal(r *rand.Rand, pattern string) string {
	text := []byte(pattern)
	for i, c := range text {
		if c == '#' {
			text[i] = byte('0' + r.IntN(10))
		}
	}
	return string(text)
}

func email(_ *rand.Rand, p *person) any {
	local := strings.ToLower(p.first + "." + strings.ReplaceAll(p.last, "'", ""))
	return local + strconv.FormatInt(p.number, 10) + "@" + p.domain
}

func phone(r *rand.Rand, _ *person) any {
	return fmt.Sprintf("+1 (%d%02d) 555-01%02d", r.IntN(8)+2, r.IntN(100), r.IntN(100))
}

func maybe(r *rand.Rand, chance float64, v any) any {
	if r.Float64() < chance {
		return v
	}
	return nil
}

// pickOf prefers the values that come first, as most rows of a company do.
func pickOf(values []string) value {
	return func(r *rand.Rand, _ *person) any {
		if len(values) == 0 {
			return nil
		}
		return values[int(math.Pow(r.Float64(), 1.6)*float64(len(values)))]
	}
}

// amount is spread as amounts are: many small ones and a few large ones.
func amount(middle, spread float64, scale int) value {
	factor := math.Pow10(min(scale, 2))
	return func(r *rand.Rand, _ *person) any {
		return math.Round(math.Exp(math.Log(middle)+r.NormFloat64()*spread)*factor) / factor
	}
}

func (p *person) stamps(r *rand.Rand, now time.Time, user string, row record.Row) {
	changed := p.created.Add(time.Duration(r.Float64() * float64(now.Sub(p.created)))).Truncate(time.Second)
	row["CreatedDate"], row["LastModifiedDate"], row["SystemModstamp"] = p.created, changed, changed
	if user != "" {
		row["CreatedById"], row["LastModifiedById"] = user, user
	}
}
