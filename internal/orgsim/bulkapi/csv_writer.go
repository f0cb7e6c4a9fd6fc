package bulkapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// appendCell writes a value in quotes, as the API does every value.
func appendCell(buf []byte, value string) []byte {
	buf = append(buf, '"')
	for {
		quote := strings.IndexByte(value, '"')
		if quote < 0 {
			break
		}
		buf = append(append(buf, value[:quote]...), `""`...)
		value = value[quote+1:]
	}
	return append(append(buf, value...), '"')
}

// appendRow writes a row of cells.
func appendRow(buf []byte, f format, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			buf = append(buf, f.comma)
		}
		buf = appendCell(buf, cell)
	}
	return append(buf, f.newline()...)
}

// appendValue writes a field's value in quotes, null as nothing between them.
func appendValue(buf []byte, v any, kind schema.Type) []byte {
	switch v := v.(type) {
	case string:
		return appendCell(buf, v)
	case bool:
		buf = strconv.AppendBool(append(buf, '"'), v)
	case int64:
		buf = strconv.AppendInt(append(buf, '"'), v, 10)
	case float64:
		buf = appendDouble(append(buf, '"'), v)
	case time.Time:
		buf = appendTime(append(buf, '"'), v, kind)
	case nil:
		if buf = append(buf, '"'); kind == schema.TypeBoolean {
			buf = append(buf, "false"...)
		}
	}
	return append(buf, '"')
}

// appendTime writes datetimes with Z, unlike REST.
func appendTime(buf []byte, t time.Time, kind schema.Type) []byte {
	if kind == schema.TypeDate {
		return t.AppendFormat(buf, time.DateOnly)
	}
	return t.UTC().AppendFormat(buf, "2006-01-02T15:04:05.000Z")
}

// appendDouble writes numbers as Java does: always with a fraction, and with an
// exponent from ten million on and below a thousandth.
func appendDouble(buf []byte, x float64) []byte {
	if size := math.Abs(x); size == 0 || size >= 1e-3 && size < 1e7 {
		from := len(buf)
		buf = strconv.AppendFloat(buf, x, 'f', -1, 64)
		for _, c := range buf[from:] {
			if c == '.' {
				return buf
			}
		}
		return append(buf, ".0"...)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', -1, 64), "e")
	buf = append(buf, mantissa...)
	if !strings.Contains(mantissa, ".") {
		buf = append(buf, ".0"...)
	}
	n, _ := strconv.Atoi(exponent) // FormatFloat made it
	return strconv.AppendInt(append(buf, 'E'), int64(n), 10)
}
