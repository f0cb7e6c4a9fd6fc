package salesforce

import "strings"

// Hint returns the next step for a person, or "" when the message says enough.
func (e *APIError) Hint() string {
	switch {
	case e.DailyLimit() && e.Code == CodeDeliveryLimitExceeded:
		return "the org's event delivery allocation for 24 hours is spent: wait, remove subscribers, or buy the add-on"
	case e.DailyLimit():
		return "the org's API requests for 24 hours are spent: see Setup, Company Information, API Requests"
	case e.ConcurrentLimit():
		return "too much runs at the same time: lower concurrency, or look for another client of this org"
	case e.ReplayIDRefused():
		return "the position is older than the retention window or from before an org migration: resubscribe at the earliest event and refill the gap"
	case e.RowLock():
		return "another transaction holds the record or its parent: order writes by parent, or use smaller batches"
	}
	return hintOfCode(e)
}

func hintOfCode(e *APIError) string {
	switch e.Code {
	case CodeSessionInvalid:
		return "the session ended: check that the login still works and that the profile allows API access"
	case "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "FUNCTIONALITY_NOT_ENABLED":
		return "the org's edition or the user's profile does not allow this API"
	case "INVALID_FIELD", "INVALID_TYPE", "INVALID_FIELD_FOR_INSERT_UPDATE":
		return "check the name's spelling and the user's field and object permissions"
	case "DUPLICATES_DETECTED":
		return "a duplicate rule of the org objects: merge the records, or allow saving in the rule"
	case "STORAGE_LIMIT_EXCEEDED":
		return "the org's data storage is full: delete data or buy storage"
	case "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE":
		return "the org is in read-only maintenance: see status.salesforce.com"
	case "INVALID_QUERY_LOCATOR":
		return "the query's cursor expired: start the query again"
	case CodeMultipleMatches:
		return "several records have this external Id value: make the field unique or merge the records"
	}
	return hintOfGRPC(e)
}

func hintOfGRPC(e *APIError) string {
	switch e.GRPC {
	case "UNAUTHENTICATED":
		return "the access token, instance URL and org Id must belong together: check the org's login"
	case "NOT_FOUND", "PERMISSION_DENIED":
		return "check that the topic exists (spelling is case-sensitive) and that the user may read it"
	}
	return ""
}

// loginHints maps a fragment of an OAuth error description, lower case, to what
// a person can do. The first match counts.
var loginHints = [...]struct{ fragment, hint string }{
	{"expired access/refresh token", "the refresh token was revoked or is too old: authorise the org again"},
	{"hasn't approved", "approve the app for the user: set Permitted Users to admin approved and assign the profile or permission set"},
	{"not admin approved", "assign the app to the user's profile or permission set"},
	{"audience", "the JWT audience must be the login host: https://login.salesforce.com, https://test.salesforce.com or the My Domain"},
	{"assertion", "check that the private key belongs to the certificate uploaded to the app, and that this machine's clock is right"},
	{"no client credentials user", "choose a Run As user in the app's client credentials settings"},
	{"not supported on this domain", "use the My Domain URL as the login URL: login. and test.salesforce.com refuse client credentials"},
	{"authentication failure", "check user name, password, security token and the user's login IP ranges"},
}

// LoginHint returns the next step for a refused login, or "".
func (e *APIError) LoginHint() string {
	description := strings.ToLower(e.Message)
	for _, h := range loginHints {
		if strings.Contains(description, h.fragment) {
			return h.hint
		}
	}
	switch e.Code {
	case "invalid_client_id", "invalid_client":
		return "check the consumer key and secret; a new app needs up to ten minutes before it works"
	case "invalid_app_access":
		return "assign the app to the user's profile or permission set"
	case "inactive_user":
		return "the user is disabled or locked"
	case "inactive_org":
		return "the org is locked or in maintenance: see status.salesforce.com"
	case "unsupported_grant_type":
		return "the flow is not enabled for this app or org"
	case "rate_limit_exceeded":
		return "the user logged in too often this hour: look for another process that logs in again and again"
	}
	return ""
}
