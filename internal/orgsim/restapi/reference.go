package restapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reference matches @{referenceId.path} in a composite's URLs and bodies.
var reference = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}`)

// substitute replaces the references in a text. A text that is nothing but one
// reference becomes the value itself, of whatever type.
func substitute(text string, known map[string]any) (any, error) {
	if m := reference.FindStringSubmatch(text); m != nil && m[0] == text {
		return lookup(m[1], m[2], known)
	}
	var failed error
	replaced := reference.ReplaceAllStringFunc(text, func(found string) string {
		m := reference.FindStringSubmatch(found)
		v, err := lookup(m[1], m[2], known)
		if err != nil {
			failed = err
		}
		return fmt.Sprint(v)
	})
	return replaced, failed
}

// substituteIn replaces references in every string of a decoded JSON value.
func substituteIn(v any, known map[string]any) (any, error) {
	switch v := v.(type) {
	case string:
		return substitute(v, known)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			replaced, err := substituteIn(item, known)
			if err != nil {
				return nil, err
			}
			out[key] = replaced
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			replaced, err := substituteIn(item, known)
			if err != nil {
				return nil, err
			}
			out[i] = replaced
		}
		return out, nil
	}
	return v, nil
}

// lookup walks .name and [n] steps, case-sensitively, through an earlier part's body.
func lookup(id, path string, known map[string]any) (any, error) {
	//lint:ignore ST1005 the org's wording
	missing := fmt.Errorf("Invalid reference specified. No value for %s%s found in %s", id, path, id)
	v, ok := known[id]
	if !ok {
		return nil, missing
	}
	for _, step := range strings.FieldsFunc(strings.ReplaceAll(path, "[", ".["), func(r rune) bool { return r == '.' }) {
		if index, isIndex := strings.CutPrefix(step, "["); isIndex {
			list, _ := v.([]any)
			n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || n >= len(list) {
				return nil, missing
			}
			v = list[n]
			continue
		}
		object, _ := v.(map[string]any)
		if v, ok = object[step]; !ok {
			return nil, missing
		}
	}
	if number, ok := v.(json.Number); ok {
		return number.String(), nil
	}
	return v, nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
