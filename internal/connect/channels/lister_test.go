package channels_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/channels"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// purse counts what is drawn and refuses when it is told to.
type purse struct {
	drawn   int
	refusal error
}

func (p *purse) Reserve(_ context.Context, n int) error {
	if p.refusal == nil {
		p.drawn += n
	}
	return p.refusal
}

func newClient(t *testing.T, url string) *rest.Client {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: url, ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, client)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rest.New(rest.Config{RetryWait: time.Millisecond}, tokens, client)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(t *testing.T, l *channels.Lister) []string {
	t.Helper()
	found, err := l.Channels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, topic := range found {
		names = append(names, topic.String())
	}
	slices.Sort(names)
	return names
}

// The lister sees what an admin's tools make over the same API, packaged channels by
// the names that are subscribed to.
func TestLister_SeesTheOrgsChannels(t *testing.T) {
	t.Parallel()
	org, err := orgsim.Start(t.Context(), orgsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer org.Close()
	budget := &purse{}
	l, err := channels.New(newClient(t, org.URL()), budget)
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, l); len(got) != 0 {
		t.Fatalf("a new org has %q", got)
	}
	for _, c := range []string{
		`{"name": "Orders_EU__chn", "channelType": "event"}`, `{"name": "Sales__chn", "channelType": "data"}`, `{"name": "acme__Sales__chn", "channelType": "data"}`,
	} {
		resp, err := http.Post(org.URL()+"/_sim/channels", "application/json", strings.NewReader(c))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("declare %s: %s", c, resp.Status)
		}
	}
	if got, want := list(t, l), []string{"/data/Sales__chn", "/data/acme__Sales__chn", "/event/Orders_EU__chn"}; !slices.Equal(got, want) {
		t.Errorf("the org has %q, want %q", got, want)
	}
	if budget.drawn != 2 {
		t.Errorf("two listings drew %d requests", budget.drawn)
	}
	budget.refusal = &event.Error{Op: "draw", Healing: event.Throttled, After: time.Hour, Err: errors.New("nothing left")}
	if _, err := l.Channels(t.Context()); event.HealingOf(err) != event.Throttled {
		t.Errorf("without a budget: %v", err)
	}
}

// What cannot be understood is no channel that is gone, and a refusal has a next step.
func TestLister_NeverGivesAPart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		body        string
		error, hint string
	}{
		"no permission": {400, `[{"errorCode":"INVALID_TYPE","message":"sObject type 'PlatformEventChannel' is not supported."}]`, "INVALID_TYPE", "View Setup"},
		"unknown type":  {200, `{"done":true,"records":[{"DeveloperName":"A","ChannelType":"event"},{"DeveloperName":"B","ChannelType":"news"}]}`, "unknown type", "name the channels"},
		"no name":       {200, `{"done":true,"records":[{"DeveloperName":"A B","ChannelType":"event"}]}`, "malformed topic", "name the channels"},
		"no channel":    {200, `{"done":true,"records":[7]}`, "read channel", "name the channels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					_, _ = w.Write([]byte(`{"access_token":"00D!t","instance_url":"http://` + r.Host + `","id":"http://` + r.Host + `/id/00D000000000001EAA/005000000000001AAA","token_type":"Bearer"}`))
					return
				}
				if !strings.Contains(r.URL.Path, "/tooling/query") {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			l, err := channels.New(newClient(t, server.URL), &purse{})
			if err != nil {
				t.Fatal(err)
			}
			found, err := l.Channels(t.Context())
			if found != nil || err == nil || !strings.Contains(err.Error(), c.error) || !strings.Contains(event.HintOf(err), c.hint) || event.HealingOf(err) != event.Permanent {
				t.Errorf("%v, %v; try: %s", found, err, event.HintOf(err))
			}
		})
	}
}
