package salesforce

import (
	"errors"
	"fmt"
	"strings"
)

// maxMessage bounds how much of Salesforce's own text an error repeats: long
// enough for every documented message, short enough that no payload rides along.
const maxMessage = 400

// APIError is a refusal in Salesforce's own words, whichever API gave it. The
// codes and what they mean are those of the REST and Pub/Sub API guides.
type APIError struct {
	// Status is the HTTP status; 0 when the refusal came over gRPC.
	Status int
	// GRPC is the gRPC status code's name ("UNAUTHENTICATED"); empty over HTTP.
	GRPC string
	// Code is Salesforce's errorCode ("UNABLE_TO_LOCK_ROW"), an OAuth error
	// ("invalid_grant") or a Pub/Sub error-code; empty when none was given.
	Code string
	// Message is Salesforce's text. It may quote field names and record Ids.
	Message string
	// Fields names the fields at fault, when Salesforce names them.
	Fields []string
	// RPCID is the Pub/Sub API's id of the call, for Salesforce support.
	RPCID string
}

// Error returns "CODE (status): message", leaving out what is unknown.
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString(e.name())
	if e.Message != "" {
		b.WriteString(": " + clip(e.Message, maxMessage))
	}
	if len(e.Fields) > 0 {
		b.WriteString(" [" + strings.Join(e.Fields, ", ") + "]")
	}
	return b.String()
}

func (e *APIError) name() string {
	where := e.GRPC
	if e.Status != 0 {
		where = fmt.Sprintf("HTTP %d", e.Status)
	}
	switch {
	case e.Code == "":
		return where
	case where == "":
		return e.Code
	}
	return e.Code + " (" + where + ")"
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// AsAPIError returns the first APIError in err's chain.
func AsAPIError(err error) (*APIError, bool) { return errors.AsType[*APIError](err) }
