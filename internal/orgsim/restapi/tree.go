package restapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Limits of a tree.
const (
	maxTreeRecords = 200
	maxTreeLevels  = 5
	maxTreeTypes   = 5
)

// treeNode is one record of a tree: its own fields, its place below a parent.
type treeNode struct {
	object    *schema.Object
	reference string
	fields    record.Row
	parent    *treeNode
	parentKey *schema.Field // of fields, set to the parent's Id
	id        salesforce.ID
}

// treeResult is one entry of the answer.
type treeResult struct {
	Reference string           `json:"referenceId"`
	ID        salesforce.ID    `json:"id,omitempty"`
	Errors    []map[string]any `json:"errors,omitempty"`
}

// tree serves /composite/tree/X: records with their children, all or none, one
// level after the other.
func (a *API) tree(c *call, name string) error {
	o, ok := a.cfg.Catalog.Object(name)
	if !ok || o.Kind != schema.Record {
		return resourceMissing()
	}
	var body struct {
		Records []map[string]any `json:"records"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	reader := &treeReader{api: a, types: map[string]bool{}, references: map[string]bool{}}
	if err := reader.level(o, body.Records, nil, nil, 1); err != nil {
		return err
	}
	results := make([]treeResult, 0, reader.count)
	var failed []treeResult
	err := a.transact(c, func(tx *record.Tx) error {
		return tx.Nested(func() (err error) {
			results, failed, err = growTree(c, tx, reader.levels)
			if err == nil && len(failed) > 0 {
				return errRolledBack
			}
			return err
		})
	})
	switch {
	case errors.Is(err, errRolledBack):
		writeJSON(c.w, http.StatusBadRequest, map[string]any{"hasErrors": true, "results": failed})
		return nil
	case err != nil:
		return err
	}
	writeJSON(c.w, http.StatusCreated, map[string]any{"hasErrors": false, "results": results})
	return nil
}

// growTree creates level by level and stops below a level with errors.
func growTree(c *call, tx *record.Tx, levels [][]*treeNode) (saved, failed []treeResult, err error) {
	for _, level := range levels {
		for _, n := range level {
			if n.parent != nil {
				n.fields[n.parentKey.Name] = string(n.parent.id)
			}
			n.id, err = tx.Create(n.object, n.fields)
			switch {
			case err == nil:
				saved = append(saved, treeResult{Reference: n.reference, ID: n.id})
			case asProblem(err).status == http.StatusInternalServerError:
				return nil, nil, err
			default:
				failed = append(failed, treeResult{Reference: n.reference, Errors: c.problem(err).bodies("statusCode")})
			}
		}
		if len(failed) > 0 {
			return nil, failed, nil
		}
	}
	return saved, nil, nil
}

// treeReader turns the nested body into levels and checks the limits.
type treeReader struct {
	api        *API
	levels     [][]*treeNode
	count      int
	types      map[string]bool
	references map[string]bool
}

func (t *treeReader) level(o *schema.Object, rows []map[string]any, parent *treeNode, key *schema.Field, depth int) error {
	if depth > maxTreeLevels {
		return badRequest("INVALID_INPUT", "A tree can be up to %d levels deep.", maxTreeLevels)
	}
	for len(t.levels) < depth {
		t.levels = append(t.levels, nil)
	}
	for _, row := range rows {
		n, err := t.node(o, row)
		if err != nil {
			return err
		}
		n.parent, n.parentKey = parent, key
		t.levels[depth-1] = append(t.levels[depth-1], n)
		if err := t.below(n, row, depth); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeReader) node(o *schema.Object, row map[string]any) (*treeNode, error) {
	attributes, _ := row["attributes"].(map[string]any)
	kind, _ := attributes["type"].(string)
	reference, _ := attributes["referenceId"].(string)
	t.types[o.Name] = true
	switch t.count++; {
	case t.count > maxTreeRecords:
		return nil, badRequest("INVALID_INPUT", "A tree can have up to %d records.", maxTreeRecords)
	case len(t.types) > maxTreeTypes:
		return nil, badRequest("INVALID_INPUT", "A tree can have records of up to %d types.", maxTreeTypes)
	case reference == "":
		return nil, treeRefusal("", "INVALID_INPUT", "Include a reference ID for each record in the request.")
	case t.references[reference]:
		return nil, treeRefusal(reference, "INVALID_INPUT", "Duplicate ReferenceId provided in the request.")
	case !strings.EqualFold(kind, o.Name):
		return nil, treeRefusal(reference, "INVALID_INPUT", "Include an entity type for each record in the request: "+o.Name+" is expected.")
	}
	t.references[reference] = true
	return &treeNode{object: o, reference: reference, fields: record.Row{}}, nil
}

// below takes the children out of a record's fields.
func (t *treeReader) below(n *treeNode, row map[string]any, depth int) error {
	for _, name := range sortedKeys(row) {
		nested, isObject := row[name].(map[string]any)
		list, hasRecords := nested["records"].([]any)
		if !isObject || !hasRecords {
			n.fields[name] = row[name]
			continue
		}
		child, ok := soql.Children(t.api.cfg.Catalog, n.object, name)
		if !ok {
			return treeRefusal(n.reference, "INVALID_FIELD", "No such column '"+name+"' on sobject of type "+n.object.Name)
		}
		rows := make([]map[string]any, len(list))
		for i, item := range list {
			rows[i], _ = item.(map[string]any)
		}
		if err := t.level(child.Object, rows, n, child.Field, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// treeRefusal is the answer to a body that cannot be read as a tree.
func treeRefusal(reference, code, message string) *problem {
	entry := treeResult{Reference: reference, Errors: []map[string]any{badRequest(code, "%s", message).body("statusCode")}}
	return &problem{
		status: http.StatusBadRequest, code: code, message: message,
		whole: map[string]any{"hasErrors": true, "results": []treeResult{entry}},
	}
}
