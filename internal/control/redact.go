package control

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// Masked stands where a person may not see a value.
const Masked = "***"

// Redact returns an archive that masks fields of payloads: paths says, for a route,
// which. Nothing but what is shown changes.
func Redact(archive delivery.Archive, paths func(route string) []string) delivery.Archive {
	return &redacted{archive, paths}
}

type redacted struct {
	delivery.Archive
	paths func(route string) []string
}

// Find implements [delivery.Archive].
func (r *redacted) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	records, err := r.Archive.Find(ctx, id)
	for i := range records {
		records[i].Event.Data = Mask(records[i].Event.Data, r.paths(records[i].Event.Route))
	}
	return records, err
}

// Mask replaces what paths lead to in a JSON text. A path is names joined by dots;
// it leads through every element of an array on its way. A text that is not JSON is
// masked as a whole; keys come out sorted.
func Mask(data []byte, paths []string) []byte {
	if len(paths) == 0 || data == nil {
		return data
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // numbers stay as they were written
	var v any
	if err := d.Decode(&v); err != nil || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return []byte(`"` + Masked + `"`)
	}
	for _, path := range paths {
		mask(v, strings.Split(path, "."))
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(`"` + Masked + `"`)
	}
	return bytes.TrimSpace(out.Bytes())
}

// mask masks within v what the names lead to.
func mask(v any, names []string) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			mask(v[i], names)
		}
	case map[string]any:
		inner, ok := v[names[0]]
		switch {
		case !ok:
		case len(names) == 1:
			v[names[0]] = Masked
		default:
			mask(inner, names[1:])
		}
	}
}
