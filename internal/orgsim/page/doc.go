// Package page shows a person what a simulated org holds and what its clients ask
// of it: a log of the latest requests, and one HTML page.
//
// It owns how things are shown. What there is to show is handed to it, and it
// changes nothing but what its forms are given functions for. The invariant: the
// log never holds a token, a body or a literal of a query, and nothing that came
// from a client reaches the page unescaped.
package page
