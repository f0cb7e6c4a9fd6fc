package writeback

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// How long a route pauses when Salesforce names no time.
const (
	afterDailyLimit = 5 * time.Minute // the allocation comes back little by little
	afterHourly     = time.Minute     // of events published, storage, or maintenance
	afterConcurrent = 2 * time.Second
)

// Codes that decide what becomes of a write.
const (
	codeDeleted     = "ENTITY_IS_DELETED"
	codeNotFound    = "NOT_FOUND"
	codeDuplicate   = "DUPLICATE_VALUE"
	codeTrigger     = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
	codeStorage     = "STORAGE_LIMIT_EXCEEDED"
	codeMaintenance = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
	codeBusDown     = "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE"
	codePublish     = "PUBLISH" // of the Pub/Sub API's own enumeration
)

var delivered = event.Outcome{Verdict: event.Delivered, Status: 200, Happened: event.HappenedYes}

// row says what became of one record that Salesforce answered for by itself.
func (d *Destination) row(w *write, err error) event.Outcome {
	refusal, ok := salesforce.AsAPIError(err)
	switch {
	case err == nil:
		return delivered
	case ok && w.op == Delete && gone(w, refusal):
		return delivered // by an earlier attempt or somebody else: it is gone as asked
	}
	o := event.Outcome{
		Happened: happened(err), Reason: reason(err, w.fields), Hint: event.HintOf(err), After: afterOf(err),
	}
	if ok {
		o.Status = refusal.Status
	}
	switch {
	case ok && throttles(refusal):
		o.Verdict, o.After = event.Unavailable, max(o.After, pause(refusal))
	case ok && (refusal.Code == codeMaintenance || refusal.Code == codeStorage || refusal.Code == codeBusDown || noField(refusal) && len(d.cfg.Allow) == 0):
		o.Verdict, o.After = event.Unavailable, max(o.After, afterHourly) // no event's fault
	case event.HealingOf(err) != event.Permanent, ok && (d.retry[refusal.Code] || raced(w, refusal)):
		o.Verdict = event.Retry
	default:
		o.Verdict, o.Hint = event.Reject, rejectHint(o.Hint)
	}
	return o
}

// gone says that the record to delete is not there.
func gone(w *write, refusal *salesforce.APIError) bool {
	return refusal.Code == codeDeleted || w.external != "" && refusal.Code == codeNotFound && !noField(refusal)
}

// noField says that the object has no such external Id field, in the words of the API.
func noField(refusal *salesforce.APIError) bool {
	return refusal.Code == codeNotFound && strings.Contains(refusal.Message, "external ID field")
}

func rejectHint(hint string) string {
	if hint == "" {
		return "correct the record, or the route's transform, then redrive"
	}
	return hint + "; then redrive"
}

// raced says that two upserts of one new record met: the later one finds it at the
// next attempt.
func raced(w *write, refusal *salesforce.APIError) bool {
	if w.op != Upsert || refusal.Code != codeDuplicate {
		return false
	}
	return slices.Contains(refusal.Fields, w.external) || strings.Contains(refusal.Message, w.external+" duplicates")
}

// overLimit says that the org's own code could not cope with the rows of one call,
// and may with fewer.
func overLimit(err error) bool {
	refusal, ok := salesforce.AsAPIError(err)
	return ok && refusal.Code == codeTrigger && strings.Contains(refusal.Message, "LimitException")
}

func throttles(refusal *salesforce.APIError) bool {
	return refusal.Throttled() || refusal.Code == codePublish && strings.Contains(strings.ToLower(refusal.Message), "allocation") ||
		refusal.Code == codePublish && strings.Contains(strings.ToLower(refusal.Message), "limit")
}

func pause(refusal *salesforce.APIError) time.Duration {
	switch {
	case refusal.DailyLimit():
		return afterDailyLimit
	case refusal.ConcurrentLimit():
		return afterConcurrent
	}
	return afterHourly
}

func afterOf(err error) time.Duration {
	if e, ok := errors.AsType[*event.Error](err); ok {
		return e.After
	}
	return 0
}

// whole says what became of the events of a request that failed as one.
func (d *Destination) whole(r *request, err error, harmless bool) event.Outcome {
	o := event.Outcome{
		Happened: happened(err), Reason: r.verb() + ": " + reason(err, nil), Hint: event.HintOf(err), After: afterOf(err),
	}
	refusal, refused := salesforce.AsAPIError(err)
	if refused {
		o.Status = refusal.Status
	}
	switch {
	case refused && throttles(refusal):
		o.Verdict, o.After = event.Unavailable, max(o.After, pause(refusal))
	case event.HealingOf(err) == event.Throttled, d.orgWide(err, refusal), unreachable(err):
		o.Verdict = event.Unavailable
	case refused && event.HealingOf(err) == event.Permanent && !d.retry[refusal.Code]:
		o.Verdict, o.Hint = event.Reject, rejectHint(o.Hint)
	default:
		o.Verdict = event.Retry
	}
	if o.Happened == event.HappenedUnknown && !harmless && r.op == Create {
		o.Hint = "the record may have been created: name an idempotency_field, so that another attempt does not create it twice"
	}
	return o
}

// verb is what a request was to do, for reasons.
func (r *request) verb() string { return string(r.op) + " " + clipName(r.object) }

// orgWide says that a failure tells of the org or of the route's settings, and of no
// event: the login, the permission to use the API, the object's or field's name. On
// a route whose events name the object themselves a wrong name is the event's fault.
func (d *Destination) orgWide(err error, refusal *salesforce.APIError) bool {
	if refusal == nil {
		return rest.LoginFailed(err)
	}
	if isLogin(err, refusal) {
		return true
	}
	own := len(d.cfg.Allow) == 0
	switch refusal.Code {
	case codeMaintenance, codeStorage, codeBusDown, salesforce.CodeBusUnavailable, "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED":
		return true
	case "INVALID_TYPE":
		return own
	}
	if refusal.GRPC != "" {
		return refusal.SessionExpired() || refusal.GRPC == "UNAVAILABLE" ||
			own && (refusal.GRPC == "NOT_FOUND" || refusal.GRPC == "PERMISSION_DENIED")
	}
	switch refusal.Status {
	case 401, 410, 415, 420, 502, 503, 504:
		return true
	case 403, 404:
		return own
	}
	return refusal.SessionExpired() || refusal.Status == 0 // an answer of the login, not of the API
}

// isLogin says that there was no token. The words of OAuth are lower case, those of
// the APIs are not.
func isLogin(err error, refusal *salesforce.APIError) bool {
	return rest.LoginFailed(err) || refusal.GRPC == "" && refusal.Code != "" && refusal.Code == strings.ToLower(refusal.Code)
}

// happened: what was never sent did not happen.
func happened(err error) event.Happened {
	if notSent(err) || rest.LoginFailed(err) {
		return event.HappenedNo
	}
	if e, ok := errors.AsType[*event.Error](err); ok {
		return e.Happened
	}
	return event.HappenedUnknown
}

// unreachable says that no connection came about.
func unreachable(err error) bool { return notSent(err) && !errors.Is(err, context.Canceled) }

func notSent(err error) bool {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// reason is why a write failed, without a value of it: of a refusal the code and the
// names of the fields at fault, those in Salesforce's text among them; of anything
// else our own words.
func reason(err error, fields rest.Fields) string {
	refusal, ok := salesforce.AsAPIError(err)
	if !ok {
		if e, ours := errors.AsType[*event.Error](err); ours && e.Err != nil {
			err = e.Err
		}
		return clip(err.Error())
	}
	text := "Salesforce refused it without a code"
	switch {
	case refusal.Code != "":
		text = "Salesforce answered " + clip(refusal.Code)
	case refusal.Status != 0:
		text = fmt.Sprintf("Salesforce answered HTTP %d", refusal.Status)
	case refusal.GRPC != "":
		text = "Salesforce answered " + refusal.GRPC
	}
	if names := fieldNames(refusal, fields); len(names) > 0 {
		text += " [" + strings.Join(names, ", ") + "]"
	}
	return text
}

// maxNames bounds the names in a reason.
const maxNames = 10

// fieldNames are those that the refusal lists, and those of the record that its text
// speaks of.
func fieldNames(refusal *salesforce.APIError, fields rest.Fields) []string {
	var names []string
	add := func(name string) {
		if nameForm.MatchString(strings.ReplaceAll(name, ".", "_")) && !slices.Contains(names, name) && len(names) < maxNames {
			names = append(names, name)
		}
	}
	for _, name := range refusal.Fields {
		add(name)
	}
	listed := len(names)
	words := strings.FieldsFunc(refusal.Message, notInName)
	for name := range fields {
		if slices.Contains(words, name) {
			add(name)
		}
	}
	slices.Sort(names[listed:])
	return names
}

func notInName(r rune) bool {
	return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// maxReason bounds a reason.
const maxReason = 300

func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "…"
}
