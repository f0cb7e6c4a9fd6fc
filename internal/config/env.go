package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Lookup gives the value of an environment variable; os.LookupEnv is one.
type Lookup func(name string) (value string, ok bool)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand resolves the references in one value: ${NAME} must exist,
// ${NAME:-default} need not (nor may it be empty), and $${ is a literal ${. Any
// other dollar sign stands for itself, as jq expressions are full of them.
// References are resolved in values that were already parsed, so the content of
// a variable can never add a key. used says whether there was any reference.
func expand(text string, lookup Lookup) (value string, used bool, err error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), used, nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		inside, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed {
			return "", used, fmt.Errorf("a reference opened with ${ has no closing }; write $${ for a literal ${")
		}
		name, fallback, hasFallback := strings.Cut(inside, ":-")
		if !variableName.MatchString(name) {
			return "", used, fmt.Errorf("${%s} is not a reference to an environment variable; write $${ for a literal ${", inside)
		}
		found, ok := lookup(name)
		switch {
		case ok && (found != "" || !hasFallback):
			b.WriteString(found)
		case hasFallback:
			b.WriteString(fallback)
		default:
			return "", used, missingVariable(name)
		}
		used, text = true, rest
	}
}

// missingVariable is the error of a reference to a variable that is not set.
type missingVariable string

func (name missingVariable) Error() string {
	return fmt.Sprintf("environment variable %s is not set", string(name))
}
