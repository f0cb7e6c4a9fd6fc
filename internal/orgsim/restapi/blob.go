package restapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// decodeRow reads the fields of a record to save: a JSON body, or a form whose one
// JSON part has the fields and whose other parts are blobs, named by their field.
func (c *call) decodeRow(o *schema.Object) (record.Row, error) {
	var in record.Row
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return in, c.decode(&in)
	}
	body, err := c.readBody()
	if err != nil {
		return nil, err
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	in = record.Row{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return in, nil
		}
		if err != nil {
			return nil, badRequest("INVALID_MULTIPART_REQUEST", "The multipart body cannot be read")
		}
		if err := readPart(o, part, in); err != nil {
			return nil, err
		}
	}
}

func readPart(o *schema.Object, part *multipart.Part, in record.Row) error {
	content, err := io.ReadAll(part)
	if err != nil {
		return badRequest("INVALID_MULTIPART_REQUEST", "The multipart body cannot be read")
	}
	if f, ok := o.Field(part.FormName()); ok && f.Type == schema.TypeBase64 {
		in[f.Name] = base64.StdEncoding.EncodeToString(content)
		return nil
	}
	kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if kind != "application/json" {
		return badRequest("INVALID_MULTIPART_REQUEST", "The part %s is neither JSON nor a blob field of %s", part.FormName(), o.Name)
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return jsonProblem(content, err)
	}
	return nil
}

// blobField finds the field of a path such as /sobjects/Attachment/{id}/Body.
func blobField(o *schema.Object, id, name string) (salesforce.ID, *schema.Field, bool) {
	f, ok := o.Field(name)
	if !ok || f.Type != schema.TypeBase64 {
		return "", nil, false
	}
	parsed, err := salesforce.ParseID(id)
	return parsed, f, err == nil && parsed.KeyPrefix() == o.KeyPrefix
}

// blob streams the content of a blob field.
func (a *API) blob(c *call, o *schema.Object, id salesforce.ID, f *schema.Field) error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	var row record.Row
	err := a.transact(c, func(tx *record.Tx) (err error) {
		row, err = tx.Get(o, id)
		return err
	})
	if err != nil {
		return err
	}
	text, _ := row[f.Name].(string)
	kind, _ := row["ContentType"].(string)
	if kind == "" {
		kind = "application/octetstream"
	}
	c.w.Header().Set("Content-Type", kind)
	c.w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(c.w, base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))) // the client may be gone
	return nil
}
