package cometd_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

func FuzzAnswer(f *testing.F) {
	f.Add(`[{"clientId":"c","channel":"/meta/connect","id":7,"error":"401::Authentication invalid","advice":{"reconnect":"none","interval":0},"successful":false}]`)
	f.Add(`[` + message(orderTopic, 1) + `,{"channel":"/meta/connect","id":"2","successful":true}]`)
	f.Add(` {"channel":"/meta/handshake","ext":{"sfdc":{"failureReason":"503::x"},"replay":true},"advice":{"interval":1e300}}`)
	f.Add(`[{"channel":"/event/A__e","data":"text"},{"channel":"/event/A__e","data":{"event":{"replayId":"12"}}}`)
	f.Add(`<html>`)
	f.Fuzz(func(t *testing.T, text string) {
		events, err := cometd.DecodeAnswer(text)
		if err != nil && len(text) > 40 && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes the answer: %v", err)
		}
		for _, e := range events {
			if e.ReplayID < 0 || len(e.Data) > 0 && !json.Valid(e.Data) {
				t.Errorf("event %+v", e)
			}
			if d, err := e.Decode(""); err == nil && !json.Valid(d.JSON) {
				t.Errorf("invalid JSON %q", d.JSON)
			}
		}
	})
}

func TestAnswer_IsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		events int
		ok     bool
	}{
		`[]`:                             {0, true},
		` [ {"channel":"/a","data":1} ]`: {1, true},
		`{"channel":"/a","data":1}`:      {1, true},
		`[{"channel":"/a","data":1},`:    {1, false},
		`[{"channel":"/a","data":1}`:     {1, false},
		`[{"channel":"/a","data":1},7]`:  {1, false},
		`[{"channel":7}]`:                {0, false},
		``:                               {0, false},
		`<html>`:                         {0, false},
		`"text"`:                         {0, false},
		`[` + strings.Repeat(message(orderTopic, 1)+",", 8000): {5700, false},
	} {
		events, err := cometd.DecodeAnswer(text)
		if (err == nil) != want.ok || len(events) < want.events || len(events) > want.events+want.events/10 {
			t.Errorf("%.60s: %d events, %v", text, len(events), err)
		}
	}
}

func TestCookies_GoBackByteForByte(t *testing.T) {
	t.Parallel()
	const path = "/cometd/67.0"
	for want, lines := range map[string][]string{
		`a=x/y+z=!:"q" w`: {`a=x/y+z=!:"q" w; Path=/cometd/; HttpOnly; SameSite=None`},
		`a=2; b=3`:        {"a=1", "b=3; path=/", "a=2; Path=/cometd"},
		`b=1`:             {"a=1", "b=1", "a=; Max-Age=0"},
		`c=1`:             {"c=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "d=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"},
		`e=1`:             {"e=1; Path=relative", "f=1; Path=/services", "g=1; Path=/come", "nonsense", "=x"},
		`h=`:              {"h="},
		``:                {"a=1", "a=1; max-age=-1"},
	} {
		if got := cometd.KeepCookies(path, lines...); got != want {
			t.Errorf("%q: %s, want %s", lines, got, want)
		}
	}
}
