package load

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// File is a tree file: {"records": [...]} with attributes, children and references.
type File struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

// errRefused undoes a tree of which a record was refused.
var errRefused = errors.New("records were refused")

// Tree puts the records of tree files in, all of all files or none. Files are read
// in their order, parents before the children below them; "@Name" in a value is
// the record of that referenceId, in any file before or above.
func Tree(ctx context.Context, cfg Config, files []File) ([]Summary, error) {
	t := &tree{cfg: cfg, ids: make(map[string]salesforce.ID)}
	err := cfg.Engine.Do(ctx, cfg.Actor, func(tx *record.Tx) error {
		t.tx = tx
		for _, f := range files {
			if err := t.file(f); err != nil {
				return fmt.Errorf("load %s: %w", f.Name, err)
			}
		}
		if t.refused {
			return errRefused
		}
		return nil
	})
	if errors.Is(err, errRefused) {
		for i := range t.summaries {
			t.summaries[i].Loaded = 0
		}
		err = nil
	}
	return t.summaries, err
}

// tree is one call of Tree.
type tree struct {
	cfg       Config
	tx        *record.Tx
	ids       map[string]salesforce.ID // by referenceId
	summaries []Summary
	refused   bool
}

func (t *tree) file(f File) error {
	s := Summary{File: f.Name}
	nodes, line, err := parseTree(f.Content)
	if err != nil {
		err = s.fail(line, err)
	}
	for _, n := range nodes {
		if err == nil {
			err = t.grow(&s, n, nil, "")
		}
	}
	t.refused = t.refused || s.Failed > 0
	t.summaries = append(t.summaries, s)
	return err
}

// grow creates a record and then those below it. Children of a refused record are
// not tried: they would only say that it is missing.
func (t *tree) grow(s *Summary, n *node, parent *node, relation string) error {
	id, at, err := t.create(n, parent, relation)
	if err != nil {
		return s.fail(at, err)
	}
	n.id = id
	s.Loaded++
	if s.Object == "" {
		s.Object = n.object.Name
	}
	if n.reference != "" {
		t.ids[n.reference] = id
	}
	for _, below := range n.below {
		for _, child := range below.nodes {
			if err := t.grow(s, child, n, below.relation); err != nil {
				return err
			}
		}
	}
	return nil
}

// create returns the line to blame with its error.
func (t *tree) create(n, parent *node, relation string) (salesforce.ID, int, error) {
	o, ok := t.cfg.Engine.Catalog().Object(n.kind)
	if !ok || o.Kind != schema.Record {
		return "", n.line, flawed("the org has no object %q (attributes.type)", n.kind)
	}
	n.object = o
	row := make(record.Row, len(n.fields)+1)
	for name, f := range n.fields {
		v, err := t.resolve(f.value)
		if err != nil {
			return "", f.line, err
		}
		row[name] = v
	}
	if parent != nil {
		key, err := t.keyOf(parent.object, o, relation)
		if err != nil {
			return "", n.line, err
		}
		row[key] = string(parent.id)
	}
	id, err := t.tx.Create(o, row)
	return id, n.lineOf(err), err
}

// resolve replaces a reference by the Id of its record.
func (t *tree) resolve(value any) (any, error) {
	text, _ := value.(string)
	name, isReference := strings.CutPrefix(text, "@")
	if !isReference || name == "" || strings.ContainsAny(name, " .") {
		return value, nil
	}
	id, ok := t.ids[name]
	if !ok {
		return nil, flawed("no record before this one has the referenceId %q", name)
	}
	return string(id), nil
}

// keyOf finds the child's field for a relationship's name on the parent.
func (t *tree) keyOf(parent, child *schema.Object, relation string) (string, error) {
	for _, c := range t.cfg.Engine.Catalog().ChildrenOf(parent) {
		if c.Object == child && strings.EqualFold(c.Field.ChildRelationship, relation) {
			return c.Field.Name, nil
		}
	}
	return "", flawed("%s has no children %q of type %s", parent.Name, relation, child.Name)
}
