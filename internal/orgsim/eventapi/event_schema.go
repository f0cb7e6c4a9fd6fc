package eventapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// schemaPath is where an event's schema is: by its id, or by the event's name.
var schemaPath = regexp.MustCompile(`^/services/data/v\d+\.0/(?:event/eventSchema/([\w-]+)|sobjects/(\w+)/eventSchema)/?$`)

// eventSchema answers both resources: the schema that CometD's envelopes name by its
// id. COMPACT is the Avro record with its id; EXPANDED, the default, describes the
// JSON that CometD sends.
func (a *API) eventSchema(w http.ResponseWriter, r *http.Request, id, object string) error {
	if r.Method != http.MethodGet {
		return &problem{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '" + r.Method + "' not allowed.", nil}
	}
	if object != "" {
		id = a.schemaOf(object)
	}
	text, ok := a.cfg.Bus.Schema(id)
	if !ok {
		return &problem{http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist", nil}
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		return err
	}
	schema["uuid"] = id
	switch strings.ToUpper(r.URL.Query().Get("payloadFormat")) {
	case "COMPACT":
	case "", "EXPANDED":
		schema = expanded(schema)
	default:
		return &problem{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", "payloadFormat must be COMPACT or EXPANDED", nil}
	}
	writeJSON(w, http.StatusOK, schema)
	return nil
}

// schemaOf is the id of an event's newest schema, "" if there is no such event.
func (a *API) schemaOf(object string) string {
	for _, t := range a.cfg.Bus.Topics() {
		if t.Object != nil && t.Publishable && t.Schema != nil && strings.EqualFold(t.Object.Name, object) {
			return t.Schema.ID
		}
	}
	return ""
}

// expanded wraps a record in the envelope that CometD sends it in.
func expanded(schema map[string]any) map[string]any {
	field := func(name string, typ any) map[string]any { return map[string]any{"name": name, "type": typ} }
	record := func(name string, fields any) map[string]any {
		return map[string]any{"type": "record", "name": name, "namespace": "", "fields": fields}
	}
	payload := record("Payload", schema["fields"])
	payload["doc"] = ""
	return map[string]any{
		"name": schema["name"], "namespace": schema["namespace"], "type": "expanded-record", "uuid": schema["uuid"],
		"fields": []any{
			field("data", record("Data", []any{
				field("schema", "string"), field("payload", payload), field("event", record("Event", []any{field("replayId", "long")})),
			})),
			field("channel", "string"),
		},
	}
}
