package soql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenString
	tokenNumber
	tokenDate     // 2026-08-20
	tokenDateTime // 2026-08-20T09:14:02Z
	tokenSymbol
	tokenBad
)

type token struct {
	kind tokenKind
	text string // as written; for strings the content with its escapes
	at   position
}

// is says whether the token is the keyword or symbol, in any case.
func (t token) is(word string) bool {
	return (t.kind == tokenName || t.kind == tokenSymbol) && strings.EqualFold(t.text, word)
}

// shown is how error messages quote the token.
func (t token) shown() string {
	if t.kind == tokenEnd {
		return "<EOF>"
	}
	return t.text
}

// scan splits a statement into tokens, the last one being tokenEnd or tokenBad.
func scan(source string) []token {
	var tokens []token
	for i := 0; ; {
		for i < len(source) && isSpace(source[i]) {
			i++
		}
		t, next := scanOne(source, i)
		tokens = append(tokens, t)
		if t.kind == tokenEnd || t.kind == tokenBad {
			return tokens
		}
		i = next
	}
}

func scanOne(source string, i int) (token, int) {
	at := position(i)
	if i >= len(source) {
		return token{kind: tokenEnd, at: at}, i
	}
	c := source[i]
	switch {
	case isLetter(c):
		end := i + 1
		for end < len(source) && (isLetter(source[end]) || isDigit(source[end]) || source[end] == '_') {
			end++
		}
		return token{tokenName, source[i:end], at}, end
	case c == '\'':
		return scanString(source, i)
	case isDigit(c), (c == '-' || c == '+') && i+1 < len(source) && (isDigit(source[i+1]) || source[i+1] == '.'),
		c == '.' && i+1 < len(source) && isDigit(source[i+1]):
		return scanNumber(source, i)
	}
	for _, symbol := range []string{"<=", ">=", "!=", "<>"} {
		if strings.HasPrefix(source[i:], symbol) {
			return token{tokenSymbol, symbol, at}, i + 2
		}
	}
	if strings.IndexByte("(),.=<>:", c) >= 0 {
		return token{tokenSymbol, source[i : i+1], at}, i + 1
	}
	_, size := utf8.DecodeRuneInString(source[i:])
	return token{tokenBad, source[i : i+size], at}, i + size
}

func scanString(source string, i int) (token, int) {
	for end := i + 1; end < len(source); end++ {
		switch source[end] {
		case '\\':
			end++
		case '\'':
			return token{tokenString, source[i+1 : end], position(i)}, end + 1
		}
	}
	return token{tokenBad, "'", position(i)}, len(source)
}

// scanNumber reads numbers, dates and datetimes: all begin with a digit or sign.
func scanNumber(source string, i int) (token, int) {
	end := i + 1
	for end < len(source) && (isDigit(source[end]) || isLetter(source[end]) || strings.IndexByte(".:+-", source[end]) >= 0) {
		end++
	}
	text := source[i:end]
	switch {
	case len(text) >= 10 && text[4] == '-' && len(text) == 10:
		return token{tokenDate, text, position(i)}, end
	case len(text) > 10 && text[4] == '-' && (text[10] == 'T' || text[10] == 't'):
		return token{tokenDateTime, text, position(i)}, end
	default:
		return token{tokenNumber, text, position(i)}, end
	}
}

func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// unescape resolves the escapes of a string literal. With pattern set, \% and \_
// stay escaped, since LIKE gives them a meaning of their own; \\ does too.
// It reports an escape that the language does not know.
func unescape(text string, pattern bool) (string, bool) {
	if strings.IndexByte(text, '\\') < 0 {
		return text, true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'n', 'N':
			b.WriteByte('\n')
		case 'r', 'R':
			b.WriteByte('\r')
		case 't', 'T':
			b.WriteByte('\t')
		case 'b', 'B':
			b.WriteByte('\b')
		case 'f', 'F':
			b.WriteByte('\f')
		case '\'', '"':
			b.WriteByte(c)
		case '%', '_', '\\':
			if pattern {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		default:
			return "", false
		}
	}
	return b.String(), true
}
