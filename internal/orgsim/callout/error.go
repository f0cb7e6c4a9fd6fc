package callout

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Error is a callout that failed before there was a response, in the words of a
// System.CalloutException.
type Error struct {
	Message string
	// Timeout says that no whole answer came in the time that the request had.
	Timeout bool
	cause   error
}

// Error returns the message alone, as Apex's getMessage does.
func (e *Error) Error() string { return e.Message }

// Unwrap returns what really happened.
func (e *Error) Unwrap() error { return e.cause }

// The texts that are the same every time.
const (
	ReadTimedOut = "Read timed out"

	noPath = "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: " +
		"unable to find valid certification path to requested target"
)

func unauthorized(endpoint string) *Error {
	return &Error{Message: "Unauthorized endpoint, please check Setup->Security->Remote site settings. endpoint = " + endpoint}
}

func noCredential(name string) *Error {
	return &Error{Message: fmt.Sprintf("The callout couldn't access the endpoint. You might not have the required permissions, "+
		"or the named credential %q might not exist.", name)}
}

// TooLarge is the error for a request or response body above limit bytes.
func TooLarge(limit int) *Error {
	return &Error{Message: "Exceeded max size limit of " + strconv.Itoa(limit)}
}

var errTimeLimit = errors.New("time for the callout is up")

// inWords turns a failure of the network into the words of the platform, which
// are Java's. ctx is the request's.
func inWords(ctx context.Context, host string, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := &Error{cause: err}
	var (
		unknown   *net.DNSError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		remote    *net.OpError
	)
	switch {
	case errors.Is(context.Cause(ctx), errTimeLimit), errors.Is(err, os.ErrDeadlineExceeded):
		e.Message, e.Timeout = ReadTimedOut, true
	case errors.As(err, &unknown):
		e.Message = host
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = "Connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Message = "Connection reset"
	case errors.As(err, &authority):
		e.Message = noPath
	case errors.As(err, &name):
		e.Message = "No subject alternative names matching " + host + " found"
	case errors.As(err, &remote) && remote.Op == "remote error": // how crypto/tls passes on an alert
		e.Message = "Received fatal alert: " + strings.ReplaceAll(strings.TrimPrefix(remote.Err.Error(), "tls: "), " ", "_")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "Unexpected end of file from server"
	default:
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without method and address, which may hold a secret
		}
		e.Message = "IO Exception: " + err.Error()
	}
	return e
}
