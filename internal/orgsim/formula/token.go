package formula

import (
	"fmt"
	"strings"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenSymbol
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// scan splits a formula into tokens; the last is tokenEnd.
func scan(source string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(source); {
		c := source[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case isLetter(c):
			end := i
			for end < len(source) && (isLetter(source[end]) || isDigit(source[end]) || source[end] == '_' || source[end] == '.') {
				end++
			}
			tokens = append(tokens, token{tokenName, source[i:end], i})
			i = end
		case isDigit(c) || c == '.' && i+1 < len(source) && isDigit(source[i+1]):
			end := i
			for end < len(source) && (isDigit(source[end]) || source[end] == '.') {
				end++
			}
			tokens = append(tokens, token{tokenNumber, source[i:end], i})
			i = end
		case c == '"' || c == '\'':
			text, end, err := scanString(source, i)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{tokenString, text, i})
			i = end
		default:
			symbol, err := scanSymbol(source, i)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{tokenSymbol, symbol, i})
			i += len(symbol)
		}
	}
	return append(tokens, token{tokenEnd, "end of formula", len(source)}), nil
}

func scanString(source string, i int) (text string, end int, err error) {
	quote := source[i]
	var b strings.Builder
	for end = i + 1; end < len(source); end++ {
		switch c := source[end]; {
		case c == quote:
			return b.String(), end + 1, nil
		case c == '\\' && end+1 < len(source):
			end++
			b.WriteByte(source[end])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("text is not closed at character %d", i+1)
}

func scanSymbol(source string, i int) (string, error) {
	for _, symbol := range []string{"<=", ">=", "<>", "!=", "==", "&&", "||"} {
		if strings.HasPrefix(source[i:], symbol) {
			return symbol, nil
		}
	}
	if strings.IndexByte("+-*/&=<>!(),", source[i]) >= 0 {
		return source[i : i+1], nil
	}
	return "", fmt.Errorf("unexpected %q at character %d", source[i], i+1)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
