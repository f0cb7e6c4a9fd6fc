package bulkapi

import "strings"

// format is how a job's CSV is written.
type format struct {
	name  string // of the delimiter
	comma byte
	crlf  bool
}

func (f format) ending() string {
	if f.crlf {
		return "CRLF"
	}
	return "LF"
}

// newline is the end of a row.
func (f format) newline() string {
	if f.crlf {
		return "\r\n"
	}
	return "\n"
}

// formatOf reads a create body's columnDelimiter, lineEnding and contentType.
func formatOf(delimiter, ending, contentType string) (format, error) {
	f := format{name: "COMMA", comma: ','}
	if delimiter != "" {
		comma, ok := delimiters()[strings.ToUpper(delimiter)]
		if !ok {
			return f, invalidValue(delimiter, "columnDelimiter")
		}
		f.name, f.comma = strings.ToUpper(delimiter), comma
	}
	switch strings.ToUpper(ending) {
	case "", "LF":
	case "CRLF":
		f.crlf = true
	default:
		return f, invalidValue(ending, "lineEnding")
	}
	if contentType != "" && !strings.EqualFold(contentType, "CSV") {
		return f, invalidValue(contentType, "contentType")
	}
	return f, nil
}

func delimiters() map[string]byte {
	return map[string]byte{"BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t'}
}

// operation is what a job does.
type operation string

// The operations of the API.
const (
	Insert     operation = "insert"
	Update     operation = "update"
	Upsert     operation = "upsert"
	Delete     operation = "delete"
	HardDelete operation = "hardDelete"
	Query      operation = "query"
	QueryAll   operation = "queryAll"
)

// operationOf finds the operation in any case among those that the kind of job has.
func operationOf(name string, k kind) (operation, error) {
	all := []operation{Insert, Update, Upsert, Delete, HardDelete}
	if k == query {
		all = []operation{Query, QueryAll}
	}
	for _, op := range all {
		if strings.EqualFold(name, string(op)) {
			return op, nil
		}
	}
	return "", invalidValue(name, "operation")
}
