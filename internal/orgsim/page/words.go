package page

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// thousands writes 1234567 as "1,234,567".
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// limitOf says how often, how likely and how long a fault strikes.
func limitOf(f fault.State) string {
	var parts []string
	if f.Count > 0 {
		parts = append(parts, fmt.Sprintf("struck %d of %d times", f.Struck, f.Count))
	} else {
		parts = append(parts, fmt.Sprintf("struck %d times so far", f.Struck))
	}
	if f.Probability > 0 {
		parts = append(parts, fmt.Sprintf("chance %.0f%%", f.Probability*100))
	}
	if !f.From.IsZero() {
		parts = append(parts, "from "+f.From.UTC().Format("15:04:05"))
	}
	if !f.Until.IsZero() {
		parts = append(parts, "until "+f.Until.UTC().Format("15:04:05"))
	}
	return strings.Join(parts, ", ")
}

// whereOf says what a fault strikes.
func whereOf(f fault.State) string {
	var parts []string
	for _, p := range [][2]string{
		{"", f.Match.Method}, {"", f.Match.Endpoint}, {"object ", f.Match.Object}, {"topic ", f.Match.Topic}, {"", f.Match.Operation},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	if len(parts) == 0 {
		return "everything it fits"
	}
	return strings.Join(parts, ", ")
}
