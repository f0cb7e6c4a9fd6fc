// Package cli is the command line: one file per subcommand, each of which reads
// its arguments, asks for what it needs and prints it.
//
// It owns what people type and read: names, flags, exit codes, tables, JSON. It
// does not own what is asked (that is control) nor how a gateway is put together
// (that is injected through [Deps]). Data goes to standard output; everything
// said about it goes to standard error, so that output can be piped.
//
// The invariant a stranger would break: with --json, standard output holds one
// JSON document in the form of docs/cli-json.md, or nothing; and the exit code
// alone tells a script how it went.
package cli
