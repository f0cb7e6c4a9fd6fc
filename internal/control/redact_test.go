package control_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		data, want string
		paths      []string
	}{
		{`{"b":1.50,"a":"x"}`, `{"b":1.50,"a":"x"}`, nil},
		{`{"b":1.50,"a":"x"}`, `{"a":"***","b":1.50}`, []string{"a"}},
		{`{"c":{"email":"x","n":1},"email":"y"}`, `{"c":{"email":"***","n":1},"email":"y"}`, []string{"c.email"}},
		{`[{"i":[{"ssn":"1"},{"ssn":{"n":2}},3]}]`, `[{"i":[{"ssn":"***"},{"ssn":"***"},3]}]`, []string{"i.ssn"}},
		{`{"a":null}`, `{"a":"***"}`, []string{"a", "b.c", "a.b"}},
		{`{"a":"x"} {"a":"y"}`, `"***"`, []string{"b"}},
		{`<xml>secret</xml>`, `"***"`, []string{"a"}},
		{`{"a":12345678901234567890,"b":"<&>"}`, `{"a":12345678901234567890,"b":"<&>"}`, []string{"c"}},
	} {
		if got := string(control.Mask([]byte(c.data), c.paths)); got != c.want {
			t.Errorf("mask %v of %s: %s; want %s", c.paths, c.data, got, c.want)
		}
	}
	if control.Mask(nil, []string{"a"}) != nil {
		t.Error("a payload that is gone was made up")
	}
}
