package restapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// formatted writes a value of FORMAT() as text in the locale of the org's users,
// American English.
func (p *page) formatted(v any, item soql.Item) {
	switch v := v.(type) {
	case int64:
		p.text(grouped(strconv.FormatInt(v, 10)))
	case float64:
		s := grouped(strconv.FormatFloat(v, 'f', item.Scale, 64))
		switch item.Type {
		case schema.TypeCurrency:
			s = "$" + s
			if strings.HasPrefix(s, "$-") {
				s = "-$" + s[2:]
			}
		case schema.TypePercent:
			s += "%"
		}
		p.text(s)
	case time.Time:
		if item.Type == schema.TypeDate {
			p.text(v.Format("1/2/2006"))
			return
		}
		p.text(v.UTC().Format("1/2/2006, 3:04 PM"))
	default:
		p.value(v, item.Type)
	}
}

// grouped puts commas between thousands.
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, hasFraction := strings.Cut(s, ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if hasFraction {
		whole += "." + fraction
	}
	return sign + whole
}
