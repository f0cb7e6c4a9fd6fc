package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// appendValue writes a non-null value of a row.
func (k kind) appendValue(dst []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case string:
		return k.appendText(dst, x)
	case bool:
		if k == kindBoolean {
			return appendBool(dst, x), nil
		}
	case int64:
		return k.appendNumber(dst, float64(x), x)
	case int:
		return k.appendNumber(dst, float64(x), int64(x))
	case float64:
		return k.appendNumber(dst, x, int64(x))
	case time.Time:
		if k == kindDateTime || k == kindDate {
			return appendLong(dst, x.UnixMilli()), nil
		}
	}
	return nil, fmt.Errorf("a %T cannot be written as %s", v, k.avro())
}

func (k kind) appendText(dst []byte, text string) ([]byte, error) {
	switch k {
	case kindString, kindNameOrID:
		return appendString(dst, text), nil
	case kindTime:
		at, err := time.Parse("15:04:05.999Z07:00", text)
		if err != nil {
			return nil, fmt.Errorf("read time of day: %w", err)
		}
		midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location())
		return appendLong(dst, at.Sub(midnight).Milliseconds()), nil
	default:
		return nil, fmt.Errorf("text cannot be written as %s", k.avro())
	}
}

func (k kind) appendNumber(dst []byte, float float64, whole int64) ([]byte, error) {
	switch k {
	case kindDouble:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(float)), nil
	case kindInt:
		if float != math.Trunc(float) || float < math.MinInt32 || float > math.MaxInt32 {
			return nil, fmt.Errorf("%v is no 32-bit integer", float)
		}
		return appendLong(dst, whole), nil
	default:
		return nil, fmt.Errorf("a number cannot be written as %s", k.avro())
	}
}

// appendLong writes a zig-zag variable-length integer, which is also Avro's int,
// union index, enum symbol and length.
func appendLong(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

func appendString(dst []byte, s string) []byte {
	return append(appendLong(dst, int64(len(s))), s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendStrings writes an array as one block and the empty block that ends it.
func appendStrings(dst []byte, list []string) []byte {
	if len(list) > 0 {
		dst = appendLong(dst, int64(len(list)))
		for _, s := range list {
			dst = appendString(dst, s)
		}
	}
	return append(dst, 0)
}
