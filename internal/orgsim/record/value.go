package record

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Convert turns a value from outside (decoded JSON, CSV text, a typed Go value)
// into the field's value in a [Row], or refuses it with the org's error. The
// empty string is null, as the org stores it. JSON numbers may be json.Number
// or float64.
func Convert(f *schema.Field, value any) (any, error) {
	if s, ok := value.(string); ok && s == "" && f.Type != schema.TypeBoolean {
		value = nil
	}
	if value == nil {
		return nil, nil
	}
	switch f.Type {
	case schema.TypeBoolean:
		return convertBool(f, value)
	case schema.TypeInt:
		return convertInt(f, value)
	case schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
		return convertNumber(f, value)
	case schema.TypeDate:
		return convertDate(f, value)
	case schema.TypeDateTime:
		return convertDateTime(f, value)
	case schema.TypeTime:
		return convertTime(f, value)
	case schema.TypeID, schema.TypeReference:
		return convertID(f, value)
	case schema.TypeBase64:
		return convertBlob(f, value)
	case schema.TypeAddress, schema.TypeLocation, schema.TypePersonName:
		return nil, notWritable([]string{f.Name})
	default:
		return convertText(f, value)
	}
}

func convertBlob(f *schema.Field, value any) (any, error) {
	s, ok := value.(string)
	if !ok {
		return nil, wrongType(f, value)
	}
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return nil, wrongType(f, "base64")
	}
	return s, nil
}

func convertBool(f *schema.Field, value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return nil, wrongType(f, value)
}

func convertInt(f *schema.Field, value any) (any, error) {
	x, ok := toFloat(value)
	if !ok || x != math.Trunc(x) {
		return nil, wrongType(f, value)
	}
	if math.Abs(x) >= math.Pow10(digits(f.Precision, 9)) {
		return nil, outsideRange(f, value)
	}
	return int64(x), nil
}

func convertNumber(f *schema.Field, value any) (any, error) {
	x, ok := toFloat(value)
	if !ok {
		return nil, wrongType(f, value)
	}
	x = roundTo(x, f.Scale)
	if math.Abs(x) >= math.Pow10(digits(f.Precision, 18)-f.Scale) {
		return nil, outsideRange(f, value)
	}
	return x, nil
}

func outsideRange(f *schema.Field, value any) *Error {
	return refuse("NUMBER_OUTSIDE_VALID_RANGE", []string{f.Name}, "%s: value outside of valid range on numeric field: %v", f.Label, value)
}

func digits(declared, fallback int) int {
	if declared == 0 {
		return fallback
	}
	return declared
}

// roundTo rounds half away from zero, as the org does on save. Numbers too large
// for the scale to matter stay as they are.
func roundTo(x float64, scale int) float64 {
	factor := math.Pow10(scale)
	if y := x * factor; math.Abs(y) < 1<<53 {
		return math.Round(y) / factor
	}
	return x
}

func toFloat(value any) (float64, bool) {
	var x float64
	var err error
	switch v := value.(type) {
	case json.Number:
		x, err = v.Float64()
	case string:
		x, err = strconv.ParseFloat(v, 64)
	case float64:
		x = v
	case int:
		x = float64(v)
	case int64:
		x = float64(v)
	default:
		return 0, false
	}
	return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
}

func convertDate(f *schema.Field, value any) (any, error) {
	switch v := value.(type) {
	case time.Time:
		y, m, d := v.UTC().Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), nil
	case string:
		if len(v) > len(time.DateOnly) { // a datetime is cut to its day
			if t, ok := ParseDateTime(v); ok {
				return convertDate(f, t)
			}
		}
		if t, err := time.Parse(time.DateOnly, v); err == nil {
			return t, nil
		}
	}
	return nil, wrongType(f, value)
}

func convertDateTime(f *schema.Field, value any) (any, error) {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().Truncate(time.Second), nil
	case string:
		if t, ok := ParseDateTime(v); ok {
			return t.Truncate(time.Second), nil
		}
	}
	return nil, wrongType(f, value)
}

// ParseDateTime reads the datetime forms the org accepts: ISO 8601 with Z, +hh:mm
// or +hhmm, with or without a fraction; a bare date is its midnight UTC.
func ParseDateTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func convertTime(f *schema.Field, value any) (any, error) {
	if s, ok := value.(string); ok {
		for _, layout := range []string{"15:04:05.999Z", "15:04:05.999", "15:04"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.Format("15:04:05.000Z"), nil
			}
		}
	}
	return nil, wrongType(f, value)
}

func convertID(f *schema.Field, value any) (any, error) {
	s, ok := value.(string)
	if id, is := value.(salesforce.ID); is {
		s, ok = string(id), true
	}
	if !ok {
		return nil, malformedID(f, value)
	}
	id, err := salesforce.ParseID(s)
	if err != nil {
		return nil, malformedID(f, s)
	}
	return string(id), nil
}

func convertText(f *schema.Field, value any) (any, error) {
	s, ok := textOf(value)
	if !ok {
		return nil, wrongType(f, fmt.Sprintf("%v", value))
	}
	if f.Length > 0 && utf8.RuneCountInString(s) > f.Length {
		return nil, refuse("STRING_TOO_LONG", []string{f.Name}, "%s: data value too large: %s (max length=%d)", f.Label, s, f.Length)
	}
	switch {
	case f.Type == schema.TypeEmail && !isEmail(s):
		return nil, refuse("INVALID_EMAIL_ADDRESS", []string{f.Name}, "%s: invalid email address: %s", f.Label, s)
	case f.Type == schema.TypePicklist && f.Restricted:
		return inPicklist(f, s, []string{s})
	case f.Type == schema.TypeMultiPicklist && f.Restricted:
		return inPicklist(f, s, strings.Split(s, ";"))
	}
	return s, nil
}

// textOf accepts the scalars that the org turns into text.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case salesforce.ID:
		return string(v), true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	default:
		return "", false
	}
}

func inPicklist(f *schema.Field, s string, values []string) (any, error) {
	for _, v := range values {
		if !slices.Contains(f.Picklist, v) {
			return nil, refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", []string{f.Name}, "%s: bad value for restricted picklist field: %s", f.Label, v)
		}
	}
	return s, nil
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && strings.Contains(s[strings.LastIndexByte(s, '@'):], ".")
}
