package avro

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names is the inverse of [Schema.Bitmap]: it returns the fields that a header's
// list stands for, parts as "Parent.Child", in the schema's order.
func (d *Decoder) Names(bitmap []string) ([]string, error) {
	var top []int
	parts := make(map[int][]int)
	for _, element := range bitmap {
		index, number, nested := strings.Cut(element, "-")
		if !nested {
			number = index
		}
		bits, err := bitsOf(number)
		if err != nil {
			return nil, fmt.Errorf("read bitmap %q: %w", element, err)
		}
		if !nested {
			top = append(top, bits...)
			continue
		}
		at, err := strconv.Atoi(index)
		if err != nil {
			return nil, fmt.Errorf("read bitmap %q: %w", element, err)
		}
		parts[at] = append(parts[at], bits...)
	}
	names := []string{}
	for i, f := range d.root.fields {
		if slices.Contains(top, i) {
			names = append(names, f.name)
		}
		for j, part := range f.shape.record().fields {
			if slices.Contains(parts[i], j) {
				names = append(names, f.name+"."+part.name)
			}
		}
	}
	return names, nil
}

func bitsOf(number string) ([]int, error) {
	digits, ok := strings.CutPrefix(number, "0x")
	if !ok {
		return nil, fmt.Errorf("%q does not begin with 0x", number)
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, err
	}
	var bits []int
	for i := range raw {
		value := raw[len(raw)-1-i]
		for bit := range 8 {
			if value>>bit&1 == 1 {
				bits = append(bits, 8*i+bit)
			}
		}
	}
	return bits, nil
}
