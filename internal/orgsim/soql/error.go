package soql

import (
	"fmt"
	"strings"
)

// Error is a refused statement in the org's words.
type Error struct {
	Code    string // MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE, ...
	Message string
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The codes of refused statements.
const (
	CodeMalformed = "MALFORMED_QUERY"
	CodeField     = "INVALID_FIELD"
	CodeType      = "INVALID_TYPE"
	CodeOperator  = "INVALID_QUERY_FILTER_OPERATOR"
)

// position is a byte offset in the statement.
type position int

// rowColumn counts from 1, columns in characters.
func (p position) rowColumn(source string) (row, column int, line string) {
	at := min(max(int(p), 0), len(source))
	start := strings.LastIndexByte(source[:at], '\n') + 1
	row = strings.Count(source[:at], "\n") + 1
	column = len([]rune(source[start:at])) + 1
	line = source[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	return row, column, line
}

// widestLine is how much of a long line an error shows before the caret.
const widestLine = 200

// errorAt makes the org's message with the line, a caret below the place, and row and column.
func errorAt(source string, p position, code, format string, args ...any) *Error {
	row, column, line := p.rowColumn(source)
	caret := column - 1
	if runes := []rune(line); len(runes) > widestLine {
		from := max(0, caret-widestLine/2)
		line, caret = string(runes[from:min(len(runes), from+widestLine)]), caret-from
	}
	return &Error{Code: code, Message: fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n%s",
		line, strings.Repeat(" ", caret), row, column, fmt.Sprintf(format, args...))}
}
