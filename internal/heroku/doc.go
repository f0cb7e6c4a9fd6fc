// Package heroku is the wire to Heroku's Platform API: it reads and sets the
// number of processes of an app's formation.
//
// It decides nothing. The invariant a stranger would break: the token goes to the
// configured address only, never along a redirect, and appears in no error.
package heroku
