package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
)

// trailerCode is the trailer that carries Salesforce's own error code.
const trailerCode = "error-code"

// grpcNames are the names by which APIError speaks of gRPC codes.
var grpcNames = [...]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN",
	codes.InvalidArgument: "INVALID_ARGUMENT", codes.DeadlineExceeded: "DEADLINE_EXCEEDED",
	codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED",
	codes.OutOfRange: "OUT_OF_RANGE", codes.Unimplemented: "UNIMPLEMENTED",
	codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}

// refused turns a call's failure into an event.Error. A refused token is
// invalidated on the way, and a refused position wraps event.ErrPositionRefused.
func (c *Client) refused(ctx context.Context, op string, happened event.Happened, err error, trailer metadata.MD, tok auth.Token) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if errors.Is(err, io.EOF) {
		return &event.Error{Op: op, Happened: happened, Healing: event.Transient, Err: errors.New("the server ended the stream")}
	}
	st := status.Convert(err)
	refusal := apiError(st, trailer)
	if refusal.SessionExpired() {
		c.tokens.Invalidate(tok)
	}
	fault := auth.Fault(op, verdictHappened(refusal, happened), refusal)
	if refusal.ReplayIDRefused() {
		fault.Err = fmt.Errorf("%w: %w", event.ErrPositionRefused, refusal)
	}
	return fault
}

// verdictHappened knows that a refusal on grounds of the request itself, or of
// who asks, means that nothing happened.
func verdictHappened(refusal *salesforce.APIError, otherwise event.Happened) event.Happened {
	if refusal.SessionExpired() || refusal.Healing() == salesforce.Permanent {
		return event.HappenedNo
	}
	return otherwise
}

func apiError(st *status.Status, trailer metadata.MD) *salesforce.APIError {
	e := &salesforce.APIError{GRPC: grpcNames[codes.Unknown], Message: st.Message()}
	if int(st.Code()) < len(grpcNames) {
		e.GRPC = grpcNames[st.Code()]
	}
	if values := trailer.Get(trailerCode); len(values) > 0 {
		e.Code = values[0]
	} else {
		e.Code = codeInText(st.Message())
	}
	if _, id, ok := strings.Cut(st.Message(), "rpcId: "); ok {
		e.RPCID, _, _ = strings.Cut(id, " ")
	}
	return e
}

// codeInText finds an error code in a status description, for servers and
// proxies that lose the trailer.
func codeInText(text string) string {
	at := strings.Index(text, "sfdc.platform.eventbus.grpc.")
	if at < 0 {
		return ""
	}
	end := strings.IndexFunc(text[at:], func(r rune) bool {
		return r != '.' && (r < 'a' || r > 'z')
	})
	if end < 0 {
		return text[at:]
	}
	return strings.TrimRight(text[at:at+end], ".")
}
