package backlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// PayloadSize is the length of every encoded event in bytes.
const PayloadSize = 1015

// Change says what kind of change a payload tells of.
type Change int

// The kinds of change that payloads are made of.
const (
	// Create carries all values and no bitmaps, as the bus sends a new record.
	Create Change = iota
	// Update carries the same values and names them in its bitmaps.
	Update
)

// epoch is 2026-08-20T09:14:02Z in milliseconds, from which all times count.
const epoch = 1_787_217_242_000

// RecordID returns the 18-character Id of the record that payload n is about.
// The suffix is that of an Id whose counter has no capital letters.
func RecordID(n int) string { return fmt.Sprintf("001000%09dAAA", n) }

// Payload returns the Avro bytes of payload n: PayloadSize of them, always the same for the same n.
func Payload(n int, change Change) []byte {
	b := payload(n, change, 0)
	// The description fills up to the size; its own length prefix has two bytes
	// at any length it gets here.
	return payload(n, change, PayloadSize-len(b))
}

func payload(n int, change Change, more int) []byte {
	b := appendHeader(make([]byte, 0, PayloadSize), n, change)
	for i, v := range values(n, more) {
		b = appendValue(b, fields()[i].kind, v)
	}
	return b
}

func appendHeader(b []byte, n int, change Change) []byte {
	b = appendString(b, "Account")
	b = appendStrings(b, RecordID(n))
	b = appendLong(b, int64(change)) // the enum's order is that of the constants
	b = appendString(b, "com/salesforce/api/rest/67.0;client=loader")
	b = appendString(b, fmt.Sprintf("%08x-0fd1-4a5b-8c3d-%012x", n, n))
	b = appendLong(b, 1)
	b = appendLong(b, epoch+int64(n))
	b = appendLong(b, 11_850_000_000_000+int64(n))
	b = appendString(b, "0055e000004QxYzAAK")
	if change == Create {
		return append(b, 0, 0, 0)
	}
	nulled, changed := bitmaps()
	b = appendStrings(b, nulled)
	b = append(b, 0)
	return appendStrings(b, changed)
}

// bitmaps returns the hexadecimal bitmaps of the null and of the other fields;
// bit n stands for field n, the header counted as 0.
func bitmaps() (nulled, changed string) {
	null, rest := new(big.Int), new(big.Int)
	for i, v := range values(0, 0) {
		if v == nil {
			null.SetBit(null, i+1, 1)
		} else {
			rest.SetBit(rest, i+1, 1)
		}
	}
	hex := func(x *big.Int) string {
		text := fmt.Sprintf("%X", x)
		return "0x" + strings.Repeat("0", len(text)%2) + text
	}
	return hex(null), hex(rest)
}

// values are those of the fields, in order; nil is null.
func values(n, more int) []any {
	description := strings.Repeat("Renewed for two more years; asks for a visit at the new site. ", 12)[:260+more]
	if n%8 == 0 { // some text needs escapes, some is not ASCII
		description = "Says \"no tabs\",\nthen: Größe.\t" + description[32:]
	}
	return []any{
		fmt.Sprintf("Northern Light Shipping and Storage %05d Ltd", n),
		"Customer - Channel",
		nil,
		"+1 (415) 555-01" + fmt.Sprintf("%02d", n%100),
		nil,
		fmt.Sprintf("AC-%010d", n),
		fmt.Sprintf("https://www.northern-light-%05d.example.com/about", n),
		"Transportation",
		1_250_000.5 + float64(n),
		int64(250 + n%5000),
		description,
		"Warm",
		"0055e000004QxYzAAK",
		int64(epoch - 86_400_000),
		"0055e000004QxYzAAK",
		epoch + int64(n),
		"0055e000004QxYzAAK",
		"EMEA North",
		n%2 == 0,
		0.5 + float64(n%1000)/8,
		fmt.Sprintf("erp:7f3c-%012d", n),
		int64(1_861_920_000_000),
		nil,
	}
}

func appendValue(b []byte, kind string, v any) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = append(b, 2) // the second branch of the union
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case int64:
		return appendLong(b, v)
	case float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	default:
		panic("no such kind: " + kind)
	}
}

func appendLong(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63)) // zigzag
}

func appendString(b []byte, s string) []byte {
	return append(appendLong(b, int64(len(s))), s...)
}

// appendStrings writes an array of one block.
func appendStrings(b []byte, list ...string) []byte {
	b = appendLong(b, int64(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return append(b, 0)
}
