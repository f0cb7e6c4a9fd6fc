package fault

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// sink takes an answer that nobody, or somebody else, is going to see.
type sink struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newSink() *sink { return &sink{header: make(http.Header), status: http.StatusOK} }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return s.body.Write(p) }

// copyTo sends the answer on with another body.
func (s *sink) copyTo(w http.ResponseWriter, body []byte) {
	for name, values := range s.header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(s.status)
	_, _ = w.Write(body) // the client may be gone
}

// queryPage is a page of a query's answer, keys in the org's order.
type queryPage struct {
	TotalSize int               `json:"totalSize"`
	Done      bool              `json:"done"`
	Next      string            `json:"nextRecordsUrl,omitempty"`
	Records   []json.RawMessage `json:"records"`
}

// serveSmallPage answers a query with fewer rows than were asked for, as the org
// does when rows are wide. A result that fits the smallest page an org makes a
// cursor for (200 rows) has none to go on with and stays whole.
func serveSmallPage(w http.ResponseWriter, r *http.Request, next http.Handler, rows int) {
	r = r.Clone(r.Context())
	r.Header.Set("Sforce-Query-Options", "batchSize="+strconv.Itoa(defaultRows))
	r.Header.Del("Accept-Encoding")
	answer := newSink()
	next.ServeHTTP(answer, r)
	body := answer.body.Bytes()
	var p queryPage
	if answer.status == http.StatusOK && json.Unmarshal(body, &p) == nil && shrink(&p, r, rows) {
		if small, err := json.Marshal(p); err == nil {
			body = small
		}
	}
	answer.copyTo(w, body)
}

// shrink cuts the page to the rows and points the locator at the first row cut off.
func shrink(p *queryPage, r *http.Request, rows int) bool {
	if len(p.Records) <= rows {
		return false
	}
	locator, begin := "", 0
	if atLocator(r) {
		locator, begin = cutOffset(strings.TrimSuffix(r.URL.Path, "/"))
	} else {
		locator, _ = cutOffset(p.Next)
	}
	if locator == "" {
		return false
	}
	p.Records, p.Done = p.Records[:rows], false
	p.Next = locator + "-" + strconv.Itoa(begin+rows)
	return true
}

// cutOffset splits ".../query/01g...-2000".
func cutOffset(path string) (locator string, offset int) {
	i := strings.LastIndexByte(path, '-')
	if i < 0 {
		return "", 0
	}
	offset, err := strconv.Atoi(path[i+1:])
	if err != nil {
		return "", 0
	}
	return path[:i], offset
}
