package bulkapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxJSON bounds a JSON body: a query of the longest length, escaped.
const maxJSON = 1 << 20

func writeJSON(w http.ResponseWriter, status int, body any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))) // the client may be gone
}

// readJSON decodes the call's body into v.
func (c *call) readJSON(v any) error {
	if kind := c.contentType(); kind != "application/json" && kind != "" {
		return unsupported(c.r)
	}
	return decodeJSON(http.MaxBytesReader(c.w, c.r.Body, maxJSON), v)
}

func decodeJSON(from io.Reader, v any) error {
	body, err := io.ReadAll(from)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
	}
	err = json.Unmarshal(body, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return badRequest("JSON_PARSER_ERROR", "%s at %s", upperFirst(syntax.Error()), position(body, syntax.Offset))
	case errors.As(err, &kind):
		return badRequest("JSON_PARSER_ERROR", "Cannot deserialize instance of %s from %s value at %s", kind.Type, kind.Value, position(body, kind.Offset))
	case err != nil:
		return badRequest("JSON_PARSER_ERROR", "%s", upperFirst(err.Error()))
	}
	return nil
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func position(body []byte, offset int64) string {
	before := body[:min(max(int(offset)-1, 0), len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("[line:%d, column:%d]", line, len(before)-bytes.LastIndexByte(before, '\n'))
}

func (c *call) contentType() string {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

func unsupported(r *http.Request) *problem {
	return &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type not supported: " + r.Header.Get("Content-Type")}
}

// body is the call's body, unzipped where the client zipped it.
func (c *call) body() (io.ReadCloser, error) {
	if !strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		return c.r.Body, nil
	}
	unzipped, err := gzip.NewReader(c.r.Body)
	if err != nil {
		return nil, badRequest(codeBulk, "request body is not gzip")
	}
	return unzipped, nil
}

// writeCSV starts a CSV answer, compressed when the client takes it. close must
// be called.
func (c *call) writeCSV() (out io.Writer, finish func()) {
	h := c.w.Header()
	h.Set("Content-Type", "text/csv; charset=UTF-8")
	if !strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		return c.w, func() {}
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	zip, _ := gzip.NewWriterLevel(c.w, gzip.BestSpeed) // the level is a good one
	return zip, func() { _ = zip.Close() }             // the client may be gone
}
