package eventapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// names are the names of a schema's fields.
func names(fields any) (names []string) {
	list, _ := fields.([]any)
	for _, f := range list {
		name, _ := f.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

func TestEventSchema_ByNameAndByID(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, compact := s.call(t, http.MethodGet, base+"/sobjects/Stock_Low__e/eventSchema?payloadFormat=COMPACT", "")
	if status != http.StatusOK || compact["name"] != "Stock_Low__e" || compact["type"] != "record" {
		t.Fatalf("by name: %d %v", status, compact)
	}
	if d := cmp.Diff([]string{"CreatedDate", "CreatedById", "Sku__c"}, names(compact["fields"])); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	id, _ := compact["uuid"].(string)
	status, byID := s.call(t, http.MethodGet, base+"/event/eventSchema/"+id+"?payloadFormat=COMPACT", "")
	if d := cmp.Diff(compact, byID); d != "" || status != http.StatusOK {
		t.Errorf("by id: %d (-by name +by id):\n%s", status, d)
	}

	_, expanded := s.call(t, http.MethodGet, base+"/event/eventSchema/"+id, "") // the default
	if expanded["type"] != "expanded-record" || expanded["name"] != "Stock_Low__e" || expanded["uuid"] != id {
		t.Errorf("expanded: %v", expanded)
	}
	if d := cmp.Diff([]string{"data", "channel"}, names(expanded["fields"])); d != "" {
		t.Fatalf("envelope (-want +got):\n%s", d)
	}
	data := expanded["fields"].([]any)[0].(map[string]any)["type"].(map[string]any)
	if d := cmp.Diff([]string{"schema", "payload", "event"}, names(data["fields"])); d != "" {
		t.Fatalf("data (-want +got):\n%s", d)
	}
	payload := data["fields"].([]any)[1].(map[string]any)["type"].(map[string]any)
	if d := cmp.Diff(compact["fields"], payload["fields"]); d != "" {
		t.Errorf("payload (-want +got):\n%s", d)
	}
}

func TestEventSchema_Refusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, want := range map[string]int{
		"/event/eventSchema/nobody":                              http.StatusNotFound,
		"/sobjects/Account/eventSchema":                          http.StatusNotFound,
		"/sobjects/Stock_Low__e/eventSchema?payloadFormat=SHORT": http.StatusBadRequest,
	} {
		if status, body := s.call(t, http.MethodGet, base+path, ""); status != want {
			t.Errorf("GET %s: %d %v, want %d", path, status, body, want)
		}
	}
	if status, _ := s.call(t, http.MethodPost, base+"/sobjects/Stock_Low__e/eventSchema", "{}"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
	s.token = "nobody's"
	if status, _ := s.call(t, http.MethodGet, base+"/sobjects/Stock_Low__e/eventSchema", ""); status != http.StatusTeapot {
		t.Errorf("without a session: %d", status)
	}
}
