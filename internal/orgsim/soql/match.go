package soql

import (
	"strings"
	"unicode"

	"zombiezen.com/go/sqlite"
)

// opMatch finds a search term in text; no statement can say it.
const opMatch Op = "MATCHES"

// matchFunction is the SQL function behind it.
const matchFunction = "soql_match"

// tokensOf splits text into the words that a search compares. Wildcards stay.
func tokensOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '?'
	})
}

// matches says that the words of the term stand next to each other in the text.
func matches(text string, term []string) bool {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for from := 0; from+len(term) <= len(words); from++ {
		all := true
		for i, t := range term {
			if !glob(t, words[from+i]) {
				all = false
				break
			}
		}
		if all {
			return true
		}
	}
	return false
}

// glob matches * with any characters and ? with one, in time that does not explode.
func glob(pattern, word string) bool {
	p, w := []rune(pattern), []rune(word)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(w) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == w[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func matchOf(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	if args[0].Type() == sqlite.TypeNull || !matches(args[0].Text(), tokensOf(args[1].Text())) {
		return sqlite.IntegerValue(0), nil
	}
	return sqlite.IntegerValue(1), nil
}
