package salesforce

import "fmt"

// ID is a record Id in its 18-character, case-safe form. Compare IDs as they
// are: two spellings of one Id become equal only through [ParseID].
type ID string

const suffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// ParseID reads a 15- or 18-character Id. The suffix of an 18-character Id must
// be right.
func ParseID(s string) (ID, error) {
	if len(s) != 15 && len(s) != 18 {
		return "", fmt.Errorf("malformed id %q: want 15 or 18 characters, have %d", s, len(s))
	}
	for i := range s {
		if !isAlphanumeric(s[i]) {
			return "", fmt.Errorf("malformed id %q: character %d is not a letter or digit", s, i+1)
		}
	}
	suffix := idSuffix(s[:15])
	if len(s) == 18 && s[15:] != suffix {
		return "", fmt.Errorf("malformed id %q: want suffix %s", s, suffix)
	}
	return ID(s[:15] + suffix), nil
}

// Short returns the 15-character form.
func (id ID) Short() string {
	if len(id) < 15 {
		return string(id)
	}
	return string(id[:15])
}

// KeyPrefix returns the first three characters, which name the sObject type.
func (id ID) KeyPrefix() string {
	if len(id) < 3 {
		return ""
	}
	return string(id[:3])
}

// idSuffix computes the three checksum characters: for each group of five, bit
// i is set where character i is an upper-case letter.
func idSuffix(id15 string) string {
	var suffix [3]byte
	for group := range 3 {
		bits := 0
		for i := range 5 {
			if c := id15[group*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		suffix[group] = suffixAlphabet[bits]
	}
	return string(suffix[:])
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
