package intake

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// request is a request at the door of its route.
type request struct {
	*http.Request
	w        http.ResponseWriter
	received time.Time
	below    string // path below the route, escaped
	door     *door
}

// alwaysPassed are the headers that an application gets from whoever calls it.
// Authorization and Cookie are for us, or for nobody.
var alwaysPassed = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Match",
	"If-Unmodified-Since", "Prefer", "Tracestate",
}

func passedHeaders(extra []string) []string {
	pass := slices.Clone(alwaysPassed)
	for _, name := range extra {
		if name = http.CanonicalHeaderKey(name); !slices.Contains(pass, name) {
			pass = append(pass, name)
		}
	}
	return pass
}

// fields reads what a caller says beside the body.
func (in *request) fields(pass []string) (callout.Request, *callout.Problem) {
	h := in.Header
	req := callout.Request{Method: in.Method, Path: in.below, Query: in.URL.RawQuery, Received: in.received, TraceParent: h.Get("Traceparent")}
	var problem *callout.Problem
	if req.Key, problem = callout.ParseKey(h.Get("Idempotency-Key")); problem != nil {
		return req, problem
	}
	if req.Patience, problem = callout.ParseDeadline(h.Get("X-Sallyport-Deadline")); problem != nil {
		return req, problem
	}
	if req.OrderKey = h.Get("X-Sallyport-Order-Key"); len(req.OrderKey) > 255 {
		return req, bad("X-Sallyport-Order-Key is longer than 255 bytes", "send what the events are ordered by, such as a record Id")
	}
	if req.OrgID = h.Get("X-Sallyport-Org-Id"); req.OrgID != "" && !orgID(req.OrgID) {
		return req, bad("X-Sallyport-Org-Id is not an organization Id", "send UserInfo.getOrganizationId(), or leave the header out")
	}
	for _, name := range pass {
		if values, ok := h[name]; ok {
			if req.Header == nil {
				req.Header = make(map[string][]string, 4)
			}
			req.Header[name] = values
		}
	}
	return req, nil
}

// orgID knows the form of an organization Id.
func orgID(s string) bool {
	return (len(s) == 15 || len(s) == 18) && strings.HasPrefix(s, "00D") && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// open returns the body, decompressed and bounded; in bytes before and after.
func (in *request) open() (io.Reader, *callout.Problem) {
	limit := in.door.cfg.MaxBody
	if in.ContentLength > limit {
		return nil, tooLarge(limit, nil)
	}
	body := io.Reader(&boundedReader{r: http.MaxBytesReader(in.w, in.Body, limit), limit: limit})
	switch encoding := strings.ToLower(strings.TrimSpace(in.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return body, nil
	case "gzip": // what Apex sends after setCompressed(true)
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, unread(err, limit)
		}
		return &boundedReader{r: io.LimitReader(unzipped, limit+1), limit: limit}, nil
	default:
		return nil, &callout.Problem{
			Status: 415, Code: callout.CodeUnsupported, What: "the body has a Content-Encoding that is not understood", Happened: event.HappenedNo,
			Next: "send it as it is, or compressed with gzip",
		}
	}
}

// read reads the whole body.
func (in *request) read() ([]byte, *callout.Problem) {
	r, problem := in.open()
	if problem != nil {
		return nil, problem
	}
	body, err := in.readAll(r)
	if err != nil {
		return nil, unread(err, in.door.cfg.MaxBody)
	}
	return body, nil
}

func (in *request) readAll(r io.Reader) ([]byte, error) {
	if in.ContentLength < 0 || in.Header["Content-Encoding"] != nil {
		return io.ReadAll(r)
	}
	body := make([]byte, in.ContentLength)
	_, err := io.ReadFull(r, body)
	return body, err
}

// listen ends the bound on reading, for answers that take their time. From then
// on the connection is read only to see whether the caller is still there; a caller who waits
// longer than a request may take to arrive would otherwise count as gone.
func (in *request) listen() {
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
}

// boundedReader fails with an error that says so when there is more than limit.
type boundedReader struct {
	r     io.Reader
	limit int64
	n     int64
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if _, large := errors.AsType[*http.MaxBytesError](err); large || b.n > b.limit {
		return n, sizeError{b.limit}
	}
	return n, err
}

// sizeError is what the engine recognizes too.
type sizeError struct{ limit int64 }

func (e sizeError) Error() string { return fmt.Sprintf("the request is larger than %d bytes", e.limit) }

// TooLarge marks the error.
func (sizeError) TooLarge() bool { return true }

// unread says why a body could not be read.
func unread(err error, limit int64) *callout.Problem {
	if _, large := errors.AsType[sizeError](err); large {
		return tooLarge(limit, err)
	}
	return &callout.Problem{
		Status: 400, Code: callout.CodeBadRequest, What: "the body could not be read: it breaks off, is too slow or is not what its headers say",
		Happened: event.HappenedNo, Retry: true, Next: "send the whole request within the time limit", Err: err,
	}
}

func tooLarge(limit int64, err error) *callout.Problem {
	return &callout.Problem{
		Status: 413, Code: callout.CodeTooLarge, What: sizeError{limit}.Error(), Happened: event.HappenedNo, Err: err,
		Next: "send less in one request, or raise listen.max_body (Apex sends 6 MB at most)",
	}
}

func bad(what, next string) *callout.Problem {
	return &callout.Problem{Status: 400, Code: callout.CodeBadRequest, What: what, Happened: event.HappenedNo, Next: next}
}
