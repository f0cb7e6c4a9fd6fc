package restapi

import "fmt"

// TakeRequest counts one call against the org's daily allocation and says whether
// there was room for it. The header is the value of Sforce-Limit-Info.
func (a *API) TakeRequest() (header string, ok bool) {
	used, ok := a.usage.take(a.cfg.DailyRequests)
	return fmt.Sprintf("api-usage=%d/%d", used, a.allocation()), ok
}

// CountCall counts a call of another API of the org against the daily requests
// and returns what Sforce-Limit-Info says.
func (a *API) CountCall() string {
	header, _ := a.TakeRequest()
	return header
}

// allocation is the daily allocation as it is told.
func (a *API) allocation() int {
	if a.cfg.DailyRequests == 0 {
		return statedRequests
	}
	return a.cfg.DailyRequests
}
