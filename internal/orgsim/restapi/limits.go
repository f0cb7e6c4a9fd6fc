package restapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// limit is one allocation.
type limit struct {
	Max       int `json:"Max"`
	Remaining int `json:"Remaining"`
}

// limits states the org's allocations. Only the API requests are counted here;
// what others count, they tell.
func (a *API) limits(c *call, path []string) error {
	if len(path) == 1 && strings.EqualFold(path[0], "recordCount") {
		return a.recordCount(c)
	}
	if len(path) > 0 {
		return resourceMissing()
	}
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	full := func(n int) limit { return limit{n, n} }
	limits := map[string]limit{
		"ConcurrentAsyncGetReportInstances":    full(200),
		"DailyApiRequests":                     {a.allocation(), max(0, a.allocation()-int(a.usage.used()))},
		"DailyAsyncApexExecutions":             full(250_000),
		"DailyBulkApiBatches":                  full(15_000),
		"DailyBulkV2QueryFileStorageMB":        full(976_562),
		"DailyBulkV2QueryJobs":                 full(10_000),
		"DailyDeliveredPlatformEvents":         full(25_000),
		"DataStorageMB":                        full(1_024),
		"DurableStreamingApiConcurrentClients": full(1_000),
		"FileStorageMB":                        full(1_024),
		"HourlyPublishedPlatformEvents":        full(250_000),
		"SingleEmail":                          full(5_000),
		"MassEmail":                            full(5_000),
	}
	for name, left := range a.cfg.Allocations() {
		limits[name] = limit{left[0], left[1]}
	}
	writeJSON(c.w, http.StatusOK, limits)
	return nil
}

// recordCount answers how many records the named objects have, all objects unless
// any are named.
func (a *API) recordCount(c *call) error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	type count struct {
		Count int    `json:"count"`
		Name  string `json:"name"`
	}
	counts := []count{}
	wanted := strings.Split(strings.ToLower(c.r.URL.Query().Get("sObjects")), ",")
	for _, o := range a.cfg.Catalog.Objects() {
		if o.Kind != schema.Record || wanted[0] != "" && !slices.Contains(wanted, strings.ToLower(o.Name)) {
			continue
		}
		result, err := a.run(c, "SELECT COUNT() FROM "+o.Name, false)
		if err != nil {
			return err
		}
		counts = append(counts, count{result.Total, o.Name})
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"sObjects": counts})
	return nil
}
