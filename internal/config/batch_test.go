package config_test

import (
	"strings"
	"testing"
)

func TestParse_HoldsBatchesAgainstWhatDoesNotGoWithThem(t *testing.T) {
	t.Parallel()
	batch := func(n string) string {
		return minimal + "      batch: " + n + "\n"
	}
	for name, c := range map[string]struct{ src, want string }{
		"taken":               {batch("200"), ""},
		"enough attempts":     {batch("200") + "    retry: {attempts: 5}\n", ""},
		"one by one":          {batch("1") + "    retry: {attempts: 1}\n", ""},
		"too few attempts":    {batch("200") + "    retry: {attempts: 4}\n", "routes.orders.retry.attempts: is 4, too few"},
		"none":                {batch("0"), "routes.orders.to.batch: "},
		"a caller waits":      {strings.Replace(rest, "to: {", "to: {batch: 2, ", 1), "routes.quote.to.batch: is above 1, but the caller waits"},
		"a caller waits once": {strings.Replace(rest, "to: {", "callout: {answer: wait-then-accept 1s}\n    to: {batch: 2, ", 1), "routes.quote.to.batch: is above 1"},
		"nobody waits":        {strings.Replace(rest, "to: {", "callout: {answer: accept}\n    to: {batch: 2, ", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.want == "" {
				load(t, c.src)
			} else if problems := refuse(t, c.src); !strings.Contains(problems.Error(), c.want) {
				t.Errorf("problems %v, want %q", problems, c.want)
			}
		})
	}
}
