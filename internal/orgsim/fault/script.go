package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Parse reads a script: a YAML file whose "faults" is a list of faults with the
// keys of [Fault]'s JSON. The error of a bad entry names its line.
func Parse(script []byte) ([]Fault, error) {
	list, err := entriesOf(script)
	if err != nil {
		return nil, err
	}
	faults := make([]Fault, 0, len(list))
	var problems []error
	for _, node := range list {
		f, err := parseOne(node)
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", node.GetToken().Position.Line, err))
			continue
		}
		faults = append(faults, f)
	}
	return faults, errors.Join(problems...)
}

func entriesOf(script []byte) ([]ast.Node, error) {
	file, err := parser.ParseBytes(script, 0)
	if err != nil {
		return nil, fmt.Errorf("read fault script: %w", err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, errors.New("read fault script: want one document, with a list under the key faults")
	}
	top, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok || len(top.Values) != 1 || top.Values[0].Key.String() != "faults" {
		return nil, errors.New("read fault script: want one key, faults:, and nothing else")
	}
	list, ok := top.Values[0].Value.(*ast.SequenceNode)
	if !ok {
		return nil, errors.New("read fault script: faults: is not a list")
	}
	return list.Values, nil
}

// parseOne goes through JSON, so that a script and the control API take the same.
func parseOne(node ast.Node) (Fault, error) {
	var loose any
	if err := yaml.NodeToValue(node, &loose); err != nil {
		return Fault{}, fmt.Errorf("read fault: %w", err)
	}
	text, err := json.Marshal(loose)
	if err != nil {
		return Fault{}, fmt.Errorf("read fault: %w", err)
	}
	var f Fault
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return Fault{}, fmt.Errorf("read fault: %w", err)
	}
	return f, f.Validate()
}
