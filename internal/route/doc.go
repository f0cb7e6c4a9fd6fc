// Package route is the engine that binds a source to a waiting room and a
// destination: which events a route takes, what they are turned into, and by
// which key they are ordered.
package route
