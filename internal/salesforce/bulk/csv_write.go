package bulk

import "strings"

// Null is the cell that empties a field; an empty cell leaves the field alone.
const Null = "#N/A"

// AppendRow writes a row of CSV as the API reads it: commas, LF, and quotes where
// a value needs them. Values are not trimmed by either side.
func AppendRow(dst []byte, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !needsQuotes(cell) {
			dst = append(dst, cell...)
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, strings.ReplaceAll(cell, `"`, `""`)...)
		dst = append(dst, '"')
	}
	return append(dst, '\n')
}

func needsQuotes(cell string) bool {
	return strings.ContainsAny(cell, ",\"\n\r") || cell != strings.TrimSpace(cell)
}
