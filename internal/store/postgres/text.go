package postgres

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// hexMark begins a text that PostgreSQL could not hold as it is, in hexadecimal.
const hexMark = "\x01hex:"

// text returns s as PostgreSQL can hold it: its texts are UTF-8 and without NUL,
// while keys and ids are what others made of them. untext is the inverse.
func text(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.HasPrefix(s, hexMark) {
		return s
	}
	return hexMark + hex.EncodeToString([]byte(s))
}

func untext(s string) string {
	coded, ok := strings.CutPrefix(s, hexMark)
	if !ok {
		return s
	}
	plain, err := hex.DecodeString(coded)
	if err != nil {
		return s
	}
	return string(plain)
}

// nullable is a time as a column holds it: no time is NULL.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// instant is the inverse of nullable.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
