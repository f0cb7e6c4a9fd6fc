package fault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

const script = `
# a bad afternoon
faults:
  - name: row-locked
    match: {object: Account, operation: UPDATE}
    probability: 0.25
    seed: 7
  - name: unavailable
    httpStatus: 502
    in: 10m
    for: 5m
  - name: api-error
    httpStatus: 403
    code: API_DISABLED_FOR_ORG
    match:
      endpoint: /services/data/**
    from: 2026-08-20T11:00:00Z
`

func TestParse_ReadsAScriptAndItsWindows(t *testing.T) {
	t.Parallel()
	faults, err := fault.Parse([]byte(script))
	if err != nil || len(faults) != 3 {
		t.Fatalf("%+v, %v", faults, err)
	}
	b, c := newBoard(t)
	for _, f := range faults {
		set(t, b, f)
	}
	list := b.List()
	if list[0].Match.Object != "Account" || list[0].Seed != 7 || list[0].Probability != 0.25 || list[2].Code != "API_DISABLED_FOR_ORG" {
		t.Errorf("%+v", list)
	}
	if w := list[1]; !w.From.Equal(c.Now().Add(10*time.Minute)) || !w.Until.Equal(c.Now().Add(15*time.Minute)) || w.In != 0 || w.For != 0 {
		t.Errorf("window %v to %v", w.From, w.Until)
	}
	for _, want := range []bool{false, true, false} {
		if _, ok := b.Take(fault.Unavailable, fault.Point{Endpoint: "/x"}); ok != want {
			t.Errorf("at %v: struck %v", c.Now(), ok)
		}
		c.Advance(10 * time.Minute)
	}
}

func TestParse_NamesTheLineOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                     "want one document",
		"- name: unavailable":                  "want one key, faults:",
		"faults: 3":                            "is not a list",
		"faults:\n  - name: unavailable\nx: 1": "want one key",
		"faults:\n  - name: unavailable\n  - nam: x\n":                              `line 3: read fault: json: unknown field "nam"`,
		"faults:\n  - name: nope\n  - name: unavailable\n    count: -1\n":           `line 2: unknown fault "nope"`,
		"faults:\n  - name: unavailable\n    httpStatus: 200\n":                     "line 2: fault \"unavailable\": httpStatus 200 is no failure",
		"faults:\n  - name: api-error\n":                                            "needs httpStatus and code",
		"faults:\n  - name: instance-moved\n    target: somewhere\n":                "is no base URL",
		"faults:\n  - name: slow-answer\n    delay: soon\n":                         "read duration",
		"faults:\n  - {name: unavailable\n":                                         "read fault script",
		"faults:\n  - name: unavailable\n    match: {object: '['}\n":                "syntax error in pattern",
		"faults:\n  - name: row-locked\n    for: -5m\n":                             "cannot be negative",
		"faults:\n  - name: row-locked\n    probability: 2\n  - name: row-locked\n": "is not between 0 and 1",
	} {
		if _, err := fault.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(script)
	f.Add("faults: [{name: unavailable, match: {topic: '*'}}]")
	f.Add("faults:\n- &a {name: unavailable}\n- *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		faults, err := fault.Parse([]byte(text))
		if err != nil {
			return
		}
		b, _ := newBoard(t)
		for _, one := range faults {
			set(t, b, one) // whatever is parsed can be switched on
		}
	})
}
