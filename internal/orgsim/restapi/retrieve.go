package restapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// retrieval names the records and fields to read.
type retrieval struct {
	IDs    []string `json:"ids"`
	Fields []string `json:"fields"`
}

// retrieveCollection answers records in the order asked for, null for missing ones.
func (a *API) retrieveCollection(c *call, o *schema.Object) error {
	want, err := readRetrieval(c)
	if err != nil {
		return err
	}
	fields, err := namedFields(o, want.Fields)
	if err != nil {
		return err
	}
	rows := make([]record.Row, len(want.IDs))
	err = a.transact(c, func(tx *record.Tx) error {
		for i, given := range want.IDs {
			id, err := salesforce.ParseID(strings.TrimSpace(given))
			if err != nil {
				return badRequest("MALFORMED_ID", "malformed id %s", given)
			}
			row, err := tx.Get(o, id)
			var refused *record.Error
			if err != nil && !errors.As(err, &refused) {
				return err
			}
			rows[i] = row
		}
		return nil
	})
	if err != nil {
		return err
	}
	p := &page{buf: []byte("[")}
	for i, row := range rows {
		if i > 0 {
			p.raw(",")
		}
		if row == nil {
			p.raw("null")
			continue
		}
		p.record(c.base(), o, row, fields)
	}
	p.raw("]")
	writeBytes(c.w, http.StatusOK, p.buf)
	return nil
}

func readRetrieval(c *call) (retrieval, error) {
	params := c.r.URL.Query()
	want := retrieval{IDs: strings.Split(params.Get("ids"), ","), Fields: strings.Split(params.Get("fields"), ",")}
	if c.method == http.MethodPost {
		want = retrieval{}
		if err := c.decode(&want); err != nil {
			return want, err
		}
	}
	if len(want.Fields) == 0 || want.Fields[0] == "" {
		return want, badRequest("MISSING_ARGUMENT", "fields is required")
	}
	return want, checkSize(len(want.IDs), maxRetrieve)
}
