package restapi

// CountCall counts a call of another API of the org against the daily requests
// and returns what Sforce-Limit-Info says.
func (a *API) CountCall() string { return a.limitInfo() }
