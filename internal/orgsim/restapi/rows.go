package restapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// sobjects serves /sobjects and what is below it.
func (a *API) sobjects(c *call, path []string) error {
	if len(path) == 0 {
		if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
			return err
		}
		if err := a.checkMetadata(c); err != nil {
			return err
		}
		return a.describeGlobal(c)
	}
	o, ok := a.cfg.Catalog.Object(path[0])
	if !ok {
		return resourceMissing()
	}
	switch len(path) {
	case 1:
		return a.object(c, o)
	case 2:
		if strings.EqualFold(path[1], "describe") {
			if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
				return err
			}
			if err := a.checkMetadata(c); err != nil {
				return err
			}
			return a.describe(c, o)
		}
		if which := strings.ToLower(path[1]); which == "updated" || which == "deleted" {
			return a.replication(c, o, which)
		}
		if strings.EqualFold(path[1], "Id") && c.method == http.MethodPost {
			return a.create(c, o)
		}
		return a.byID(c, o, path[1])
	case 3:
		if id, f, ok := blobField(o, path[1], path[2]); ok {
			return a.blob(c, o, id, f)
		}
		return a.byExternalID(c, o, path[1], path[2])
	}
	return resourceMissing()
}

func (a *API) object(c *call, o *schema.Object) error {
	switch c.method {
	case http.MethodGet, http.MethodHead:
		return a.basicInfo(c, o)
	case http.MethodPost:
		return a.create(c, o)
	}
	return notAllowed(c.method, "GET", "HEAD", "POST")
}

// saved is the answer to a create.
type saved struct {
	ID      salesforce.ID    `json:"id"`
	Success bool             `json:"success"`
	Errors  []map[string]any `json:"errors"`
	Created *bool            `json:"created,omitempty"`
}

func savedAs(id salesforce.ID) saved {
	return saved{ID: id, Success: true, Errors: []map[string]any{}}
}

func (a *API) create(c *call, o *schema.Object) error {
	in, err := c.decodeRow(o)
	if err != nil {
		return err
	}
	if o.Kind == schema.PlatformEvent {
		return a.publish(c, o, in)
	}
	var id salesforce.ID
	err = a.transact(c, func(tx *record.Tx) (err error) {
		id, err = tx.Create(o, in)
		return err
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", c.base()+"/sobjects/"+o.Name+"/"+string(id))
	writeJSON(c.w, http.StatusCreated, savedAs(id))
	return nil
}

// byID serves one record. A path that is no Id of the object names, to the org, an
// external Id field that does not exist.
func (a *API) byID(c *call, o *schema.Object, segment string) error {
	if o.Kind != schema.Record {
		return resourceMissing()
	}
	id, err := salesforce.ParseID(segment)
	if err != nil || id.KeyPrefix() != o.KeyPrefix {
		return noExternalID(segment)
	}
	switch c.method {
	case http.MethodGet, http.MethodHead:
		return a.read(c, o, id)
	case http.MethodPatch:
		return a.update(c, o, id)
	case http.MethodDelete:
		return a.delete(c, o, id)
	}
	return notAllowed(c.method, "GET", "HEAD", "PATCH", "DELETE")
}

func (a *API) read(c *call, o *schema.Object, id salesforce.ID) error {
	fields, err := requestedFields(o, c.r.URL.Query().Get("fields"))
	if err != nil {
		return err
	}
	var row record.Row
	err = a.transact(c, func(tx *record.Tx) (err error) {
		row, err = tx.Get(o, id)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.checkRow(o, row); err != nil {
		return err
	}
	p := &page{}
	p.record(c.base(), o, row, fields)
	writeBytes(c.w, http.StatusOK, p.buf)
	return nil
}

// requestedFields resolves fields=A,B; all fields when none are named. Id is
// always among them.
func requestedFields(o *schema.Object, list string) ([]*schema.Field, error) {
	if list == "" {
		return o.Fields, nil
	}
	return namedFields(o, strings.Split(list, ","))
}

func namedFields(o *schema.Object, names []string) ([]*schema.Field, error) {
	var fields []*schema.Field
	hasID := false
	for _, name := range names {
		f, ok := o.Field(strings.TrimSpace(name))
		if !ok {
			return nil, badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", strings.TrimSpace(name), o.Name)
		}
		hasID = hasID || f.Type == schema.TypeID
		fields = append(fields, f)
	}
	if id, ok := o.Field("Id"); ok && !hasID {
		fields = append(fields, id)
	}
	return fields, nil
}

func (a *API) update(c *call, o *schema.Object, id salesforce.ID) error {
	in, err := c.decodeRow(o)
	if err != nil {
		return err
	}
	err = a.transact(c, func(tx *record.Tx) error {
		if err := c.mayUpdate(tx, o, id); err != nil {
			return err
		}
		return tx.Update(o, id, in)
	})
	if err := missingRow(err, resourceMissing()); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) delete(c *call, o *schema.Object, id salesforce.ID) error {
	err := a.transact(c, func(tx *record.Tx) error { return tx.Delete(o, id) })
	gone := &problem{status: http.StatusNotFound, code: record.CodeCrossReference, message: "invalid cross reference id", fields: []string{}}
	if err := missingRow(err, gone); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// missingRow replaces the engine's "no such record", told apart from a bad lookup
// by record.ErrNoRecord, by the answer of the resource.
func missingRow(err error, answer *problem) error {
	if errors.Is(err, record.ErrNoRecord) {
		return answer
	}
	return err
}
