package call

import "errors"

// LoginFailed reports whether a call came to nothing because there was no token to
// make it with: that says nothing about what was asked for.
func LoginFailed(err error) bool {
	_, ok := errors.AsType[*loginError](err)
	return ok
}
