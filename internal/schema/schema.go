package schema

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxFile bounds a schema file.
const maxFile = 1 << 20

// Schema is a JSON Schema (draft 2020-12 unless it says otherwise). It is safe
// for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	source   []byte
}

// Load reads a schema from a file.
func Load(file string) (*Schema, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("read schema: %s is larger than %d bytes", file, maxFile)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	s, err := Parse(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// alone refuses to fetch what a schema refers to.
type alone struct{}

func (alone) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %s; put what it needs into its $defs", url)
}

// Parse reads a schema.
func Parse(source []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		return nil, errors.New("parse schema: not JSON")
	}
	const place = "schema:route"
	c := jsonschema.NewCompiler()
	c.UseLoader(alone{})
	c.AssertFormat()
	if err := c.AddResource(place, doc); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	compiled, err := c.Compile(place)
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	return &Schema{compiled: compiled, source: bytes.Clone(source)}, nil
}

// Source returns the schema as it was written. Do not change it.
func (s *Schema) Source() []byte { return s.source }

// Check holds a JSON text against the schema. It returns what does not fit, the
// first field first; nil when all fits.
func (s *Schema) Check(data []byte) *Mismatch {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return &Mismatch{What: "the body is not JSON"}
	}
	err = s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return &Mismatch{What: "the body does not fit the route's schema"}
	}
	return mismatch(failed)
}
