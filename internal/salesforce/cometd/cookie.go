package cometd

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cookies keeps what one session's server has set. The values are opaque and
// hold characters such as / + = ! : and quotes; they go back byte for byte, which is why
// this is not net/http's jar. There is one host, and a new session begins without
// cookies, so domains do not matter.
type cookies struct {
	mu   sync.Mutex // guards list
	list []cookie
}

type cookie struct{ name, value string }

// store takes the cookies of an answer to a request for path.
func (c *cookies) store(header http.Header, path string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range header["Set-Cookie"] {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			continue
		}
		removed, applies := judge(attributes, path, now)
		if applies {
			c.set(name, value, removed)
		}
	}
}

func (c *cookies) set(name, value string, removed bool) {
	for i := range c.list {
		if c.list[i].name != name {
			continue
		}
		if removed {
			c.list = append(c.list[:i], c.list[i+1:]...)
		} else {
			c.list[i].value = value
		}
		return
	}
	if !removed {
		c.list = append(c.list, cookie{name, value})
	}
}

// judge reads the attributes that say whether a cookie goes or stays, and for what path.
func judge(attributes, path string, now time.Time) (removed, applies bool) {
	applies = true
	aged := false
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(attribute), "=")
		switch strings.ToLower(name) {
		case "path":
			applies = value == "" || value[0] != '/' || within(path, value)
		case "max-age":
			if seconds, err := strconv.Atoi(value); err == nil {
				removed, aged = seconds <= 0, true // it counts more than expires
			}
		case "expires":
			if at, err := http.ParseTime(value); err == nil && !aged {
				removed = !at.After(now)
			}
		}
	}
	return removed, applies
}

// within is the path match of RFC 6265.
func within(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, folder)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(folder, "/"))
}

// header is the value of the Cookie header, "" if there are none.
func (c *cookies) header() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for i, k := range c.list {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(k.name + "=" + k.value)
	}
	return b.String()
}
