package restapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// decodeSegments decodes each path segment by itself, so that an encoded slash
// in an external Id value stays inside its segment.
func decodeSegments(segments []string) ([]string, error) {
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, fmt.Errorf("decode path: %w", err)
		}
		segments[i] = decoded
	}
	return segments, nil
}

// writeJSON answers with a body. HTML characters stay as they are, as the org sends them.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	writeBytes(w, status, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

func writeBytes(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client left; there is nobody to tell
}

// decode reads the body's JSON value into v. Numbers stay json.Number.
func (c *call) decode(v any) error {
	if c.r.Body == nil {
		return badRequest("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
	}
	if err := c.checkContentType(); err != nil {
		return err
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return jsonProblem(body, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("JSON_PARSER_ERROR", "Unexpected content after the JSON value at %s", place(body, dec.InputOffset()))
	}
	return nil
}

func (c *call) checkContentType() error {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return &problem{
			status: http.StatusUnsupportedMediaType, code: "UNSUPPORTED_MEDIA_TYPE",
			message: fmt.Sprintf("Content-Type not supported: %s", c.r.Header.Get("Content-Type")),
		}
	}
	return nil
}

func (c *call) readBody() ([]byte, error) {
	var from io.Reader = c.r.Body
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		unzipped, err := gzip.NewReader(c.r.Body)
		if err != nil {
			return nil, badRequest("UNKNOWN_EXCEPTION", "request body is not gzip")
		}
		// A bomb is bounded like a plain body.
		from = http.MaxBytesReader(c.w, unzipped, c.maxBody)
	}
	body, err := io.ReadAll(from)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body, nil
}

// jsonProblem words a decoding error as the org does, with line and column.
func jsonProblem(body []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at := max(int(syntax.Offset)-1, 0)
		if at < len(body) {
			return badRequest("JSON_PARSER_ERROR", "Unexpected character ('%c' (code %d)) at %s", body[at], body[at], place(body, int64(at)))
		}
		return badRequest("JSON_PARSER_ERROR", "Unexpected end-of-input at %s", place(body, int64(at)))
	case errors.As(err, &kind):
		return badRequest("JSON_PARSER_ERROR", "Cannot deserialize instance of %s from %s value at %s", kind.Type, kind.Value, place(body, kind.Offset))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("JSON_PARSER_ERROR", "Unexpected end-of-input at %s", place(body, int64(len(body))))
	}
	return badRequest("JSON_PARSER_ERROR", "The request body is not what the resource takes: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func place(body []byte, offset int64) string {
	before := body[:min(int(offset), len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("[line:%d, column:%d]", line, column)
}

// compressed wraps the writer when the client takes gzip. finish must be called.
func compressed(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, func()) {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return w, func() {}
	}
	z := &gzipWriter{ResponseWriter: w}
	return z, z.finish
}

// gzipWriter compresses bodies; answers without one stay as they are.
type gzipWriter struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func (z *gzipWriter) WriteHeader(status int) {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		z.Header().Set("Content-Encoding", "gzip")
		z.zip = gzip.NewWriter(z.ResponseWriter)
	}
	z.ResponseWriter.WriteHeader(status)
}

func (z *gzipWriter) Write(b []byte) (int, error) {
	if z.zip == nil {
		return z.ResponseWriter.Write(b)
	}
	return z.zip.Write(b)
}

func (z *gzipWriter) finish() {
	if z.zip != nil {
		_ = z.zip.Close() // the client left; there is nobody to tell
	}
}
