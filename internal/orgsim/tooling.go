package orgsim

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// The one tooling query that a Pub/Sub client needs: it finds a managed
// subscription by id or name before it subscribes.
var (
	toolingPath = regexp.MustCompile(`^/services/data/v\d+\.0/tooling/query/?$`)
	fromManaged = regexp.MustCompile(`(?i)\bFROM\s+ManagedEventSubscription\b`)
	whereIs     = regexp.MustCompile(`(?i)\bWHERE\s+(Id|DeveloperName)\s*=\s*'([^']*)'`)
)

func isTooling(path string) bool { return toolingPath.MatchString(path) }

func (o *Org) serveTooling(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query().Get("q")
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	_, known := o.sessions.Authenticate(token)
	if !known || scheme == "" || !fromManaged.MatchString(query) {
		o.rest.ServeHTTP(w, r) // also knows how to refuse a caller
		return
	}
	records := make([]map[string]any, 0, 1)
	for _, s := range o.bus.ManagedSubscriptions() {
		if matches(query, &s) {
			records = append(records, toolingRecord(&s, r.URL.Path))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"size": len(records), "totalSize": len(records), "done": true, "queryLocator": nil,
		"entityTypeName": "ManagedEventSubscription", "records": records,
	})
}

func matches(query string, s *bus.ManagedSubscription) bool {
	where := whereIs.FindStringSubmatch(query)
	if where == nil {
		return true
	}
	if strings.EqualFold(where[1], "Id") {
		id, err := salesforce.ParseID(where[2])
		return err == nil && id == s.ID
	}
	return where[2] == s.DeveloperName
}

func toolingRecord(s *bus.ManagedSubscription, path string) map[string]any {
	base, _, _ := strings.Cut(path, "/tooling/")
	return map[string]any{
		"attributes": map[string]any{
			"type": "ManagedEventSubscription", "url": base + "/tooling/sobjects/ManagedEventSubscription/" + string(s.ID),
		},
		"Id": s.ID, "DeveloperName": s.DeveloperName, "MasterLabel": s.Label,
		"Metadata": map[string]any{
			"topicName": s.Topic, "label": s.Label, "defaultReplay": s.DefaultReplay, "errorRecoveryReplay": s.ErrorRecovery,
			"state": s.State, "version": nil, "urls": nil,
		},
	}
}
