package intake

import (
	"net/http"
	"strings"
)

// Beside is a place that is served beside the routes.
type Beside struct {
	// Path is the whole path, or with a slash at its end everything below it. It is
	// compared with the path as it was sent.
	Path string
	// Open lets in whoever asks: for the place at which callers get their credentials.
	Open    bool
	Handler http.Handler
}

// besides are the places beside the routes.
type besides []Beside

// find returns what serves a path; nil if nothing does.
func (b besides) find(path string, open bool) http.Handler {
	for _, one := range b {
		if one.Open == open && (path == one.Path || strings.HasSuffix(one.Path, "/") && strings.HasPrefix(path, one.Path)) {
			return one.Handler
		}
	}
	return nil
}
