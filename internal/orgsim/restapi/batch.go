package restapi

import (
	"net/http"
	"strings"
)

// batch runs independent parts, whose URLs are relative to /services/data.
func (a *API) batch(c *call) error {
	var body struct {
		HaltOnError bool `json:"haltOnError"`
		Requests    []struct {
			Method string `json:"method"`
			URL    string `json:"url"`
			Input  any    `json:"richInput"`
		} `json:"batchRequests"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body.Requests) > maxSubrequests {
		return badRequest("EXCEEDED_ID_LIMIT", "batch request cannot have more than %d subrequests", maxSubrequests)
	}
	type result struct {
		Status int `json:"statusCode"`
		Result any `json:"result"`
	}
	results := []result{}
	failed := false
	for _, sub := range body.Requests {
		var p *part
		if failed && body.HaltOnError {
			p = refusedPart(&problem{
				status: http.StatusPreconditionFailed, code: "BATCH_PROCESSING_HALTED",
				message: "Batch processing was halted as per request",
			})
		} else {
			p = a.subcall(c.ctx, c, sub.Method, "/services/data/"+strings.TrimPrefix(sub.URL, "/"), sub.Input, nil, false)
		}
		failed = failed || p.status >= http.StatusBadRequest
		results = append(results, result{p.status, p.json()})
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
	return nil
}
