package cometd

import (
	"net/http"
	"strings"
	"time"
)

// DecodeAnswer reads an answer as the client does and returns what its events
// are, for the fuzz test.
func DecodeAnswer(text string) (events []RawEvent, err error) {
	body := &capped{r: strings.NewReader(text), left: 1 << 20}
	err = decodeMessages(body, func(m *message) error {
		if !m.isMeta() {
			events = append(events, newRawEvent(m.Data))
			return nil
		}
		_ = refusalOf(m).Error()
		_ = refusalOf(m).class()
		return nil
	})
	return events, err
}

// KeepCookies returns the Cookie header after answers with these Set-Cookie
// lines, for a request to path.
func KeepCookies(path string, lines ...string) string {
	jar := cookies{}
	for _, line := range lines {
		jar.store(http.Header{"Set-Cookie": {line}}, path, time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC))
	}
	return jar.header()
}
