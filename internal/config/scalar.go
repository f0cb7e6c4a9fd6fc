package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as "8MiB", "500KB" or a plain number.
type Size int64

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([KMGT]?i?B)?$`)

// ParseSize reads a size. Units are powers of 1024 with an i (KiB, MiB, GiB,
// TiB) and of 1000 without (KB, MB, GB, TB); a bare number is bytes.
func ParseSize(s string) (Size, error) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil || m[2] == "iB" {
		return 0, fmt.Errorf("%q is not a size; write it as 8MiB, 500KB or a number of bytes", s)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: %w", s, err)
	}
	base := 1000.0
	if strings.Contains(m[2], "i") {
		base = 1024
	}
	if m[2] != "" {
		n *= math.Pow(base, float64(strings.Index("BKMGT", m[2][:1])))
	}
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large a size", s)
	}
	return Size(n), nil
}

// String writes the size with the largest binary unit that divides it.
func (s Size) String() string {
	n, unit := int64(s), 0
	for n != 0 && n%1024 == 0 && unit < 4 {
		n, unit = n/1024, unit+1
	}
	return strconv.FormatInt(n, 10) + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// MarshalText writes the size as String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// parseDuration reads a duration as Go does, and says how one is written.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write it as 500ms, 30s, 5m or 72h", s)
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative", s)
	}
	return d, nil
}

// durationText writes a duration as a person would: 72h, not 72h0m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}
