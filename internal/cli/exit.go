package cli

import (
	"errors"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
)

// The exit codes. They are a contract: see docs/cli.md.
const (
	// ExitOK: it is done.
	ExitOK = 0
	// ExitFailure: it was tried and went wrong.
	ExitFailure = 1
	// ExitUsage: the command line or the configuration is wrong; nothing was tried.
	ExitUsage = 2
	// ExitFindings: the audit found something that does not add up, or an alarm is
	// critical.
	ExitFindings = 3
	// ExitUnreachable: the gateway that had to be asked does not answer.
	ExitUnreachable = 4
)

// Error is a failure of a command with its exit code and next step.
type Error struct {
	Code int
	Err  error
	// Try is the next step; may be empty.
	Try string
}

// Error returns the cause's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func usage(err error, try string) error { return &Error{Code: ExitUsage, Err: err, Try: try} }

// codeOf finds the exit code of whatever a command returned.
func codeOf(err error) int {
	if err == nil {
		return ExitOK
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Code
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return ExitUsage
	}
	switch {
	case errors.Is(err, control.ErrUnreachable):
		return ExitUnreachable
	case errors.Is(err, control.ErrBadRequest):
		return ExitUsage
	}
	return ExitFailure
}

// tryOf finds the next step in whatever a command returned.
func tryOf(err error) string {
	if own, ok := errors.AsType[*Error](err); ok && own.Try != "" {
		return own.Try
	}
	if refusal, ok := errors.AsType[*control.Error](err); ok {
		return refusal.Hint
	}
	return hintOf(err)
}
