package restapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Record limits of one collections call.
const (
	maxCollection = 200
	maxRetrieve   = 2000
	// maxChunks is how many runs of one type the rows may make.
	maxChunks = 10
)

// collections serves /composite/sobjects: several records in one call and one
// transaction. Rows fail one by one unless allOrNone; the answer is 200 either way.
func (a *API) collections(c *call, path []string) error {
	switch {
	case len(path) == 0 && c.method == http.MethodPost:
		return a.saveCollection(c, a.createRow)
	case len(path) == 0 && c.method == http.MethodPatch:
		return a.saveCollection(c, a.updateRow)
	case len(path) == 0 && c.method == http.MethodDelete:
		return a.deleteCollection(c)
	case len(path) == 0:
		return notAllowed(c.method, "POST", "PATCH", "DELETE")
	}
	o, ok := a.cfg.Catalog.Object(path[0])
	if !ok {
		return resourceMissing()
	}
	switch {
	case len(path) == 1 && (c.method == http.MethodGet || c.method == http.MethodPost):
		return a.retrieveCollection(c, o)
	case len(path) == 2 && c.method == http.MethodPatch:
		return a.upsertCollection(c, o, path[1])
	}
	return notAllowed(c.method, "GET", "POST", "PATCH")
}

// collection is the body of a write.
type collection struct {
	AllOrNone bool         `json:"allOrNone"`
	Records   []record.Row `json:"records"`
}

// rowResult is one entry of the answer. Created is set by upserts only.
type rowResult struct {
	ID      salesforce.ID    `json:"id,omitempty"`
	Success bool             `json:"success"`
	Errors  []map[string]any `json:"errors"`
	Created *bool            `json:"created,omitempty"`
}

// rowFunc does one row. later, if not nil, runs after the commit.
type rowFunc func(c *call, tx *record.Tx, o *schema.Object, in record.Row) (result rowResult, later func(*rowResult), err error)

func (a *API) saveCollection(c *call, row rowFunc) error {
	body, err := readCollection(c)
	if err != nil {
		return err
	}
	objects, err := a.typesOf(body.Records)
	if err != nil {
		return err
	}
	if err := checkChunks(objects); err != nil {
		return err
	}
	repeated := repeatedKeys(body.Records, "Id")
	return a.runCollection(c, body.AllOrNone, len(body.Records), func(tx *record.Tx, i int) (rowResult, func(*rowResult), error) {
		if id, twice := repeated[i]; twice && c.method == http.MethodPatch {
			return rowResult{}, nil, duplicateID(id)
		}
		return row(c, tx, objects[i], body.Records[i])
	})
}

// checkChunks refuses a call whose rows change their type too often.
func checkChunks(objects []*schema.Object) error {
	chunks := 0
	for i, o := range objects {
		if i == 0 || o != objects[i-1] {
			chunks++
		}
	}
	if chunks > maxChunks {
		return badRequest("LIMIT_EXCEEDED", "Cannot have more than %d chunks in a single operation. Please rearrange the data to reduce chunking.", maxChunks)
	}
	return nil
}

// repeatedKeys finds the rows whose key, in the named field, another row has too.
func repeatedKeys(rows []record.Row, field string) map[int]string {
	places := map[string][]int{}
	for i, row := range rows {
		for name, value := range row {
			if !strings.EqualFold(name, field) || value == nil || value == "" {
				continue
			}
			key := strings.ToLower(fmt.Sprint(value))
			if id, err := salesforce.ParseID(fmt.Sprint(value)); err == nil {
				key = string(id)
			}
			places[key] = append(places[key], i)
		}
	}
	repeated := map[int]string{}
	for key, at := range places {
		for _, i := range at {
			if len(at) > 1 {
				repeated[i] = key
			}
		}
	}
	return repeated
}

func duplicateID(id string) error {
	return &record.Error{Code: "DUPLICATE_VALUE", Message: "duplicate id in list: " + id, Fields: []string{}}
}

func readCollection(c *call) (collection, error) {
	var body collection
	if err := c.decode(&body); err != nil {
		return body, err
	}
	return body, checkSize(len(body.Records), maxCollection)
}

func checkSize(n, most int) error {
	if n > most {
		return badRequest("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than %d records into this call", most)
	}
	return nil
}

// typesOf resolves every row's attributes.type.
func (a *API) typesOf(rows []record.Row) ([]*schema.Object, error) {
	objects := make([]*schema.Object, len(rows))
	for i, row := range rows {
		attributes, _ := row["attributes"].(map[string]any)
		name, _ := attributes["type"].(string)
		o, ok := a.cfg.Catalog.Object(name)
		if !ok {
			return nil, badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", name)
		}
		objects[i] = o
	}
	return objects, nil
}

// errRolledBack ends the nested part of an allOrNone call that had a bad row.
var errRolledBack = errors.New("rolled back")

// runCollection does n rows in the call's transaction and answers.
func (a *API) runCollection(c *call, allOrNone bool, n int, row func(tx *record.Tx, i int) (rowResult, func(*rowResult), error)) error {
	results := make([]rowResult, n)
	laters := make([]func(*rowResult), n)
	err := a.transact(c, func(tx *record.Tx) error {
		return tx.Nested(func() error {
			failed := false
			for i := range n {
				result, later, err := row(tx, i)
				if err != nil {
					if asProblem(err).status == http.StatusInternalServerError {
						return err
					}
					result, later, failed = rowResult{Errors: c.problem(err).bodies("statusCode")}, nil, true
				}
				results[i], laters[i] = result, later
			}
			if failed && allOrNone {
				return errRolledBack
			}
			return nil
		})
	})
	switch {
	case errors.Is(err, errRolledBack):
		rollBackRows(results)
		if p, ok := c.w.(*part); ok {
			p.rolledBack = true
		}
		writeJSON(c.w, http.StatusOK, results)
		return nil
	case err != nil:
		return err
	}
	return c.afterCommit(func() error {
		for i, later := range laters {
			if later != nil {
				later(&results[i])
			}
		}
		writeJSON(c.w, http.StatusOK, results)
		return nil
	}, slices.ContainsFunc(laters, func(later func(*rowResult)) bool { return later != nil }))
}

// afterCommit answers now, or after the commit of the composite that the call is
// an atomic part of, when something waits for it.
func (c *call) afterCommit(answer func() error, waits bool) error {
	if p, ok := c.w.(*part); ok && p.atomic && waits {
		p.afterCommit = answer
		return nil
	}
	return answer()
}

func failedRow(err error) rowResult {
	return rowResult{Errors: asProblem(err).bodies("statusCode")}
}

func rollBackRows(results []rowResult) {
	for i := range results {
		if results[i].Success {
			results[i] = failedRow(&problem{
				code:    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
				message: "Record rolled back because not all records were valid and the request was using AllOrNone header",
			})
		}
	}
}

func doneRow(id salesforce.ID) rowResult {
	return rowResult{ID: id, Success: true, Errors: []map[string]any{}}
}

// createRow creates a record or publishes an event, after the commit where the
// event's definition says so.
func (a *API) createRow(c *call, tx *record.Tx, o *schema.Object, in record.Row) (rowResult, func(*rowResult), error) {
	if o.Kind != schema.PlatformEvent {
		id, err := tx.Create(o, in)
		return doneRow(id), nil, err
	}
	row, err := record.Prepare(o, in)
	if err != nil {
		return rowResult{}, nil, err
	}
	enqueue := func(result *rowResult) {
		answer, err := a.enqueue(c, o, row)
		if err != nil {
			*result = failedRow(err)
			return
		}
		*result = rowResult{ID: answer.ID, Success: true, Errors: answer.Errors}
	}
	if o.PublishAfterCommit {
		return rowResult{Success: true}, enqueue, nil
	}
	var result rowResult
	enqueue(&result)
	return result, nil, nil
}

func (a *API) updateRow(_ *call, tx *record.Tx, o *schema.Object, in record.Row) (rowResult, func(*rowResult), error) {
	id, rest, err := takeID(o, in)
	if err != nil {
		return rowResult{}, nil, err
	}
	return doneRow(id), nil, tx.Update(o, id, rest)
}

// takeID splits a row into its Id, in any case, and the rest.
func takeID(o *schema.Object, in record.Row) (salesforce.ID, record.Row, error) {
	rest := make(record.Row, len(in))
	given := ""
	for name, value := range in {
		if strings.EqualFold(name, "Id") {
			given, _ = value.(string)
			continue
		}
		rest[name] = value
	}
	if given == "" {
		return "", nil, &record.Error{Code: "MISSING_ARGUMENT", Message: "Id not specified in an update call", Fields: []string{}}
	}
	id, err := rowID(o, given)
	return id, rest, err
}

func rowID(o *schema.Object, given string) (salesforce.ID, error) {
	id, err := salesforce.ParseID(given)
	if err != nil || id.KeyPrefix() != o.KeyPrefix {
		return "", &record.Error{Code: record.CodeMalformedID, Message: "malformed id " + given, Fields: []string{"Id"}}
	}
	return id, nil
}

func (a *API) upsertCollection(c *call, o *schema.Object, name string) error {
	f, ok := externalID(o, name)
	if !ok {
		return noExternalID(name)
	}
	body, err := readCollection(c)
	if err != nil {
		return err
	}
	repeated := repeatedKeys(body.Records, f.Name)
	return a.runCollection(c, body.AllOrNone, len(body.Records), func(tx *record.Tx, i int) (rowResult, func(*rowResult), error) {
		if key, twice := repeated[i]; twice {
			return rowResult{}, nil, &record.Error{Code: "DUPLICATE_VALUE", Message: "Duplicate external id specified: " + key, Fields: []string{f.Name}}
		}
		return upsertRow(tx, o, f, body.Records[i])
	})
}

func upsertRow(tx *record.Tx, o *schema.Object, f *schema.Field, in record.Row) (rowResult, func(*rowResult), error) {
	rest := make(record.Row, len(in))
	var key any
	for name, value := range in {
		if strings.EqualFold(name, f.Name) {
			key = value
			continue
		}
		rest[name] = value
	}
	created := false
	result := rowResult{Success: true, Errors: []map[string]any{}, Created: &created}
	var err error
	switch text, _ := key.(string); {
	case f.Type == schema.TypeID && text == "":
		created = true
		result.ID, err = tx.Create(o, rest)
	case f.Type == schema.TypeID:
		if result.ID, err = rowID(o, text); err == nil {
			err = tx.Update(o, result.ID, rest)
		}
	case key == nil:
		err = &record.Error{Code: "MISSING_ARGUMENT", Message: f.Name + " not specified", Fields: []string{f.Name}}
	default:
		result.ID, created, err = tx.Upsert(o, f, key, rest)
	}
	if several, ok := asAmbiguous(err); ok {
		err = &record.Error{Code: "DUPLICATE_EXTERNAL_ID", Message: several.Error(), Fields: []string{}}
	}
	return result, nil, err
}

func (a *API) deleteCollection(c *call) error {
	params := c.r.URL.Query()
	ids := strings.Split(params.Get("ids"), ",")
	if err := checkSize(len(ids), maxCollection); err != nil {
		return err
	}
	allOrNone := strings.EqualFold(params.Get("allOrNone"), "true")
	rows := make([]record.Row, len(ids))
	for i, id := range ids {
		rows[i] = record.Row{"Id": strings.TrimSpace(id)}
	}
	repeated := repeatedKeys(rows, "Id")
	return a.runCollection(c, allOrNone, len(ids), func(tx *record.Tx, i int) (rowResult, func(*rowResult), error) {
		if id, twice := repeated[i]; twice {
			return rowResult{}, nil, duplicateID(id)
		}
		id, err := salesforce.ParseID(strings.TrimSpace(ids[i]))
		o, ok := a.cfg.Catalog.ByPrefix(id.KeyPrefix())
		if err != nil || !ok {
			return rowResult{}, nil, &record.Error{Code: record.CodeMalformedID, Message: "malformed id " + ids[i], Fields: []string{}}
		}
		return doneRow(id), nil, tx.Delete(o, id)
	})
}
