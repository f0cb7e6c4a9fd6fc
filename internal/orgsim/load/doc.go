// Package load puts files that people have into a simulated org: CSV, and the JSON
// that "sf data export tree" writes.
//
// It owns how the files are read and which line a refusal belongs to. What is
// refused is the record engine's affair: rows go through its validation and their
// change events, as if a client had sent them. The invariant: every refusal names
// its file and line, and memory does not grow with a CSV file.
package load

import (
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// maxProblems bounds how many refusals of one file are kept; all are counted.
const maxProblems = 100

// Config is what loading needs.
type Config struct {
	Engine *record.Engine
	// Actor is who loads, as change events tell it.
	Actor record.Actor
}

// Summary is what became of a file.
type Summary struct {
	File   string `json:"file"`
	Object string `json:"object,omitempty"`
	Loaded int    `json:"loaded"`
	Failed int    `json:"failed"`
	// Problems are the first refusals in the order of their lines.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is one refusal.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Code    string `json:"code,omitempty"` // the org's, empty for a flaw of the file
	Message string `json:"message"`
}

// String is the problem as editors and people read it: file:line: message.
func (p Problem) String() string {
	if p.Code == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Code, p.Message)
}

// fail notes a row that was refused. An error that is no refusal is returned.
func (s *Summary) fail(line int, err error) error {
	p := Problem{File: s.File, Line: line, Message: err.Error()}
	var refused *record.Error
	var several *record.AmbiguousError
	switch {
	case errors.As(err, &refused):
		p.Code, p.Message = refused.Code, refused.Message
	case errors.As(err, &several):
		p.Code, p.Message = "DUPLICATE_EXTERNAL_ID", "the external id names more than one record"
	case !errors.As(err, new(*flaw)):
		return err
	}
	s.Failed++
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, p)
	}
	return nil
}

// flaw is a mistake of the file itself.
type flaw struct{ text string }

func (f *flaw) Error() string { return f.text }

func flawed(format string, args ...any) error { return &flaw{fmt.Sprintf(format, args...)} }
