package route

import "strings"

// words is a vocabulary. Failures of a jq program quote the values it failed
// on, and a payload must not reach logs or dead letter reasons; so of such a
// message only words are kept that jq itself or the program's author wrote.
type words map[string]struct{}

// jqWords are those of gojq's own messages.
const jqWords = `
 expected an object but got array cannot iterate over array index should not be negative too large
 repeat string result a for key number indexing start and end slicing length mismatch input s is not
 allowed function not defined be applied to error halt flatten depth of numbers seconds out range add
 subtract multiply divide modulo by label variable provided bound invalid query json path against on
 iterating format including null boolean string tonumber fromjson implode explode join keys values has
 contains inside sort group unique min max reverse test match capture scan split sub gsub ascii todate
 fromdate strptime strftime mktime gmtime ltrimstr rtrimstr startswith endswith tojson base64d csv tsv
 html uri sh text tostring getpath setpath delpaths to_entries from_entries with_entries negate`

func wordsOf(source string) words {
	w := words{}
	for _, text := range []string{jqWords, source} {
		for word := range strings.FieldsFuncSeq(text, notInWord) {
			w[word] = struct{}{}
		}
	}
	return w
}

func notInWord(r rune) bool {
	return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// reasonLimit bounds a reason; more is no help to anybody.
const reasonLimit = 300

// only returns the message with everything that is not in the vocabulary
// replaced by an ellipsis. Quotes, brackets and the like go too: they only ever
// enclose values.
func (w words) only(message string) string {
	var b strings.Builder
	hidden := false
	for _, field := range strings.Fields(message) {
		call, _, _ := strings.Cut(field, "(") // what a function is applied to is a value
		word := strings.Trim(call, `"'()[]{},;:`)
		if _, known := w[word]; known {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(word)
			if strings.HasSuffix(field, ":") {
				b.WriteByte(':')
			}
			hidden = false
		} else if !hidden {
			b.WriteString(" …")
			hidden = true
		}
		if b.Len() > reasonLimit {
			break
		}
	}
	return strings.TrimSpace(b.String())
}
