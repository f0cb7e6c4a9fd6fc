package salesforce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestAPIError_Classifies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err     salesforce.APIError
		healing salesforce.Healing
		expired bool
		daily   bool
		lock    bool
	}{
		"expired session":  {salesforce.APIError{Status: 401, Code: "INVALID_SESSION_ID"}, salesforce.Transient, true, false, false},
		"useless refresh":  {salesforce.APIError{Status: 401, Message: "This session is not valid for use with the REST API"}, salesforce.Permanent, false, false, false},
		"daily limit":      {salesforce.APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, salesforce.Throttled, false, true, false},
		"concurrent limit": {salesforce.APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}, salesforce.Throttled, false, false, false},
		"row lock":         {salesforce.APIError{Status: 400, Code: "UNABLE_TO_LOCK_ROW"}, salesforce.Transient, false, false, true},
		"lock in trigger":  {salesforce.APIError{Status: 400, Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Message: "x: UNABLE_TO_LOCK_ROW, y"}, salesforce.Transient, false, false, true},
		"trigger":          {salesforce.APIError{Status: 400, Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"}, salesforce.Permanent, false, false, false},
		"validation":       {salesforce.APIError{Status: 400, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION"}, salesforce.Permanent, false, false, false},
		"html 503":         {salesforce.APIError{Status: 503}, salesforce.Transient, false, false, false},
		"bus auth":         {salesforce.APIError{GRPC: "UNAUTHENTICATED", Code: salesforce.CodeBusAuth}, salesforce.Transient, true, false, false},
		"bus down":         {salesforce.APIError{GRPC: "INTERNAL", Code: salesforce.CodeBusUnavailable}, salesforce.Transient, false, false, false},
		"delivery limit":   {salesforce.APIError{GRPC: "RESOURCE_EXHAUSTED", Code: salesforce.CodeDeliveryLimitExceeded}, salesforce.Throttled, false, true, false},
		"unknown topic":    {salesforce.APIError{GRPC: "NOT_FOUND"}, salesforce.Permanent, false, false, false},
		"reset":            {salesforce.APIError{GRPC: "UNAVAILABLE"}, salesforce.Transient, false, false, false},
	} {
		if got := tc.err.Healing(); got != tc.healing {
			t.Errorf("%s: Healing() = %s, want %s", name, got, tc.healing)
		}
		if got := tc.err.SessionExpired(); got != tc.expired {
			t.Errorf("%s: SessionExpired() = %v", name, got)
		}
		if got := tc.err.DailyLimit(); got != tc.daily {
			t.Errorf("%s: DailyLimit() = %v", name, got)
		}
		if got := tc.err.RowLock(); got != tc.lock {
			t.Errorf("%s: RowLock() = %v", name, got)
		}
	}
}

func TestAPIError_IsFoundInAChainAndClipsLongText(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("update record: %w", &salesforce.APIError{Status: 400, Code: "X", Message: strings.Repeat("ü", 5000), Fields: []string{"Name"}})
	api, ok := salesforce.AsAPIError(err)
	if !ok || api.Code != "X" {
		t.Fatalf("AsAPIError = %v, %v", api, ok)
	}
	if text := api.Error(); len(text) > 500 || !strings.HasPrefix(text, "X (HTTP 400): ü") || !strings.HasSuffix(text, "[Name]") {
		t.Errorf("Error() = %q", text)
	}
}

func TestAPIError_HintsSayWhatToDo(t *testing.T) {
	t.Parallel()
	login := salesforce.APIError{Status: 400, Code: "invalid_grant", Message: "request not supported on this domain"}
	if hint := login.LoginHint(); !strings.Contains(hint, "My Domain") {
		t.Errorf("LoginHint() = %q", hint)
	}
	replay := salesforce.APIError{GRPC: "INVALID_ARGUMENT", Code: salesforce.CodeReplayIDCorrupted}
	if !replay.ReplayIDRefused() || !strings.Contains(replay.Hint(), "earliest") {
		t.Errorf("ReplayIDRefused() = %v, Hint() = %q", replay.ReplayIDRefused(), replay.Hint())
	}
}
