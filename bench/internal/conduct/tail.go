package conduct

import (
	"strings"
	"sync"
)

// tailLimit is how much of what a program writes is kept.
const tailLimit = 4096

// tail keeps the last of what is written. Safe for concurrent use.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailLimit):]
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// last returns the last lines, for an error.
func (t *tail) last() string {
	text := strings.TrimSpace(t.String())
	if text == "" {
		return "it said nothing"
	}
	return text
}
