package salesforce

import "strings"

// Codes that Sallyport branches on.
const (
	CodeSessionInvalid  = "INVALID_SESSION_ID"
	CodeRequestLimit    = "REQUEST_LIMIT_EXCEEDED"
	CodeRowLock         = "UNABLE_TO_LOCK_ROW"
	CodeEnqueued        = "OPERATION_ENQUEUED"
	CodeMultipleMatches = "MULTIPLE_CHOICES"

	pubsubPrefix = "sfdc.platform.eventbus.grpc."
	// Pub/Sub API error codes, from the trailer "error-code".
	CodeBusAuth               = pubsubPrefix + "service.auth.error"
	CodeBusAuthRefresh        = pubsubPrefix + "service.auth.refresh.invalid"
	CodeBusUnavailable        = pubsubPrefix + "service.unavailable"
	CodeBusClientLimit        = pubsubPrefix + "concurrent.client.limit.exceeded"
	CodeReplayIDCorrupted     = pubsubPrefix + "subscription.fetch.replayid.corrupted"
	CodeReplayIDInvalid       = pubsubPrefix + "subscription.fetch.replayid.validation.failed"
	CodeRequestedInvalid      = pubsubPrefix + "subscription.fetch.requested.events.invalid"
	CodeDeliveryLimitExceeded = pubsubPrefix + "subscription.limit.exceeded"
)

// Healing says whether time alone can heal a refusal. It has the three values
// of the event package's word of the same name; the wires translate.
type Healing string

// The ways a refusal heals.
const (
	Transient Healing = "transient"
	Throttled Healing = "throttled"
	Permanent Healing = "permanent"
)

// unrefreshable are messages of a 401 that a fresh token does not heal: asking
// for one again and again is the loop that other clients are known for.
var unrefreshable = [...]string{
	"This session is not valid for use with the REST API",
	"Connected app is not attached to Agent",
}

// SessionExpired reports whether a new access token may heal the refusal.
func (e *APIError) SessionExpired() bool {
	for _, text := range unrefreshable {
		if strings.Contains(e.Message, text) {
			return false
		}
	}
	return e.Status == 401 || e.Code == CodeSessionInvalid ||
		e.GRPC == "UNAUTHENTICATED" || e.Code == CodeBusAuth || e.Code == CodeBusAuthRefresh
}

// DailyLimit reports whether the org's allocation for the day is spent: of API
// requests or of delivered events. Waiting seconds does not help; hours may.
func (e *APIError) DailyLimit() bool {
	if e.Code == CodeDeliveryLimitExceeded {
		return true
	}
	return e.Code == CodeRequestLimit && !e.ConcurrentLimit()
}

// ConcurrentLimit reports whether too many things run at once: long requests,
// or clients of the event bus. A short wait helps.
func (e *APIError) ConcurrentLimit() bool {
	return e.Code == CodeBusClientLimit ||
		e.Code == CodeRequestLimit && strings.Contains(e.Message, "Concurrent")
}

// Throttled reports whether a limit of any kind caused the refusal.
func (e *APIError) Throttled() bool { return e.Healing() == Throttled }

// RowLock reports whether another transaction held the record. The code may
// come alone or inside the text of a trigger's failure.
func (e *APIError) RowLock() bool {
	return e.Code == CodeRowLock || strings.Contains(e.Message, CodeRowLock)
}

// ReplayIDRefused reports whether the event bus no longer accepts the replay Id
// it was asked to resume after.
func (e *APIError) ReplayIDRefused() bool {
	return e.Code == CodeReplayIDCorrupted || e.Code == CodeReplayIDInvalid
}

// NotFound reports whether the record, object, topic or schema does not exist
// (or is not visible to the user, which Salesforce does not tell apart).
func (e *APIError) NotFound() bool { return e.Status == 404 || e.GRPC == "NOT_FOUND" }

// Healing classifies the refusal. An expired session counts as transient,
// because a new token heals it without a person.
func (e *APIError) Healing() Healing {
	if e.SessionExpired() || e.RowLock() {
		return Transient
	}
	if h, known := healingOfCode(e.Code); known {
		return h
	}
	if e.GRPC != "" {
		return healingOfGRPC(e.GRPC)
	}
	return healingOfStatus(e.Status)
}

func healingOfCode(code string) (h Healing, known bool) {
	switch code {
	case CodeRequestLimit, CodeBusClientLimit, CodeDeliveryLimitExceeded, "LIMIT_EXCEEDED",
		"TOO_MANY_APEX_REQUESTS", "rate_limit_exceeded":
		return Throttled, true
	case CodeBusUnavailable, "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT",
		"UNKNOWN_EXCEPTION", "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
		"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", "PLATFORM_EVENT_PUBLISH_FAILED",
		"unknown_error", "temporarily_unavailable", "server_error", "inactive_org":
		return Transient, true
	case "STORAGE_LIMIT_EXCEEDED", "APEX_ERROR", CodeRequestedInvalid, CodeReplayIDCorrupted, CodeReplayIDInvalid:
		return Permanent, true
	}
	return "", false
}

func healingOfGRPC(code string) Healing {
	switch code {
	case "RESOURCE_EXHAUSTED":
		return Throttled
	case "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED":
		return Permanent
	}
	return Transient
}

func healingOfStatus(status int) Healing {
	switch {
	case status == 429:
		return Throttled
	case status == 408, status == 420, status == 425, status >= 500, status == 0:
		return Transient
	}
	return Permanent
}
