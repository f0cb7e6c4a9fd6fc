package call

import (
	"strconv"
	"strings"
)

// Usage is how much of the org's API requests for 24 hours is used, as the
// header Sforce-Limit-Info tells with every answer.
type Usage struct {
	Used, Max int64
	// AppUsed and AppMax are those of our connected app, where it has a quota of
	// its own; 0 otherwise.
	AppUsed, AppMax int64
}

// ParseUsage reads the header Sforce-Limit-Info: "api-usage=25/5000; per-app-api-usage=17/250(appName=x)".
func ParseUsage(header string) (u Usage, ok bool) {
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value, _, _ = strings.Cut(value, "(")
		used, limit, fine := parsePair(value)
		switch {
		case !fine:
		case name == "api-usage":
			u.Used, u.Max, ok = used, limit, true
		case name == "per-app-api-usage":
			u.AppUsed, u.AppMax = used, limit
		}
	}
	return u, ok
}

func parsePair(s string) (used, limit int64, ok bool) {
	left, right, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, false
	}
	used, err1 := strconv.ParseInt(strings.TrimSpace(left), 10, 64)
	limit, err2 := strconv.ParseInt(strings.TrimSpace(right), 10, 64)
	return used, limit, err1 == nil && err2 == nil && used >= 0 && limit >= 0
}
