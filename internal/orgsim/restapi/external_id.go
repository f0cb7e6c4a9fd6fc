package restapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// firstUpsertBody is the version from which an upsert that updates answers 200
// with a body instead of 204.
const firstUpsertBody = 46

// byExternalID serves /sobjects/X/{field}/{value}.
func (a *API) byExternalID(c *call, o *schema.Object, name, value string) error {
	f, ok := externalID(o, name)
	if !ok || value == "" {
		return noExternalID(name)
	}
	switch c.method {
	case http.MethodGet, http.MethodHead:
		return a.withMatch(c, o, f, value, func(id salesforce.ID) error { return a.read(c, o, id) })
	case http.MethodPatch:
		return a.upsert(c, o, f, value)
	case http.MethodDelete:
		return a.withMatch(c, o, f, value, func(id salesforce.ID) error { return a.delete(c, o, id) })
	}
	return notAllowed(c.method, "GET", "HEAD", "PATCH", "DELETE")
}

// externalID finds a field that records can be addressed by: external Ids and Id.
func externalID(o *schema.Object, name string) (*schema.Field, bool) {
	f, ok := o.Field(name)
	return f, ok && o.Kind == schema.Record && (f.ExternalID || f.Type == schema.TypeID)
}

// withMatch runs fn with the one record the value names; 404 for none, 300 for several.
func (a *API) withMatch(c *call, o *schema.Object, f *schema.Field, value string, fn func(salesforce.ID) error) error {
	var ids []salesforce.ID
	err := a.transact(c, func(tx *record.Tx) (err error) {
		ids, err = tx.Find(o, f, value)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(ids) == 0:
		return resourceMissing()
	case len(ids) > 1:
		return ambiguous(c, o, ids)
	}
	return fn(ids[0])
}

func ambiguous(c *call, o *schema.Object, ids []salesforce.ID) *problem {
	p := &problem{status: http.StatusMultipleChoices, code: "DUPLICATE_EXTERNAL_ID"}
	for _, id := range ids {
		p.paths = append(p.paths, c.base()+"/sobjects/"+o.Name+"/"+string(id))
	}
	return p
}

// upsert updates the record with the value or creates it, which ?updateOnly=true forbids.
func (a *API) upsert(c *call, o *schema.Object, f *schema.Field, value string) error {
	if f.Type == schema.TypeID {
		return a.update(c, o, salesforce.ID(value))
	}
	in, err := c.decodeRow(o)
	if err != nil {
		return err
	}
	for name := range in {
		if strings.EqualFold(name, f.Name) {
			return badRequest("INVALID_FIELD", "The %s field should not be specified in the sobject data.", f.Name)
		}
	}
	var id salesforce.ID
	var created bool
	err = a.transact(c, func(tx *record.Tx) (err error) {
		if strings.EqualFold(c.r.URL.Query().Get("updateOnly"), "true") {
			if ids, err := tx.Find(o, f, value); err != nil || len(ids) == 0 {
				return firstError(err, resourceMissing())
			}
		}
		id, created, err = tx.Upsert(o, f, value, in)
		return err
	})
	if err != nil {
		return upsertProblem(c, err)
	}
	answerUpsert(c, o, id, created)
	return nil
}

func firstError(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func upsertProblem(c *call, err error) error {
	if several, ok := asAmbiguous(err); ok {
		return ambiguous(c, several.Object, several.IDs)
	}
	return err
}

func answerUpsert(c *call, o *schema.Object, id salesforce.ID, created bool) {
	if !created && !c.atLeast(firstUpsertBody) {
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	answer := savedAs(id)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		c.w.Header().Set("Location", c.base()+"/sobjects/"+o.Name+"/"+url.PathEscape(string(id)))
	}
	if c.atLeast(firstUpsertBody) {
		answer.Created = &created
	}
	writeJSON(c.w, status, answer)
}
