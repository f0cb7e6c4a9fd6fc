package cometd_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/cometd"
)

func TestHandshake_Accepted(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.client(t)
	r := c.send(handshakeMessage)
	id := between(r.body, `"clientId":"`, `"`)
	want := `[{"ext":{"replay":true,"payload.format":true},"minimumVersion":"1.0","clientId":"` + id + `",` +
		`"supportedConnectionTypes":["long-polling"],"channel":"/meta/handshake","id":"1","version":"1.0","successful":true}]`
	if r.status != http.StatusOK || r.body != want || len(id) != 28 {
		t.Errorf("%d %s\nwant %s", r.status, r.body, want)
	}
	set := r.header.Values("Set-Cookie")
	for i, want := range []string{"BAYEUX_BROWSER=", "t=", "sfdc-stream=!", "BrowserId="} {
		if !strings.HasPrefix(set[i], want) {
			t.Errorf("cookie %d: %s", i, set[i])
		}
	}
	if !strings.Contains(set[0], "; Path=/cometd/") || !strings.Contains(set[1], "; HttpOnly") || !strings.ContainsAny(set[0], "/+") {
		t.Errorf("cookies: %v", set)
	}
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	inner, _, _ := strings.Cut(rest, after)
	return inner
}

func TestHandshake_Refused(t *testing.T) {
	t.Parallel()
	o := start(t, func(c *cometd.Config) { c.MaxClients = 1; c.RefuseBearer = true })
	const denied = `[{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"},"replay":true},"advice":{"reconnect":"none"},` +
		`"channel":"/meta/handshake","id":"1","error":"403::Handshake denied","successful":false}]`
	refused := func(text string) string {
		return `[{"advice":{"reconnect":"none"},"channel":"/meta/handshake","id":"1","error":"` + text + `","successful":false}]`
	}
	for name, try := range map[string]struct{ token, path, body, want string }{
		"wrong token":   {"OAuth wrong", "/cometd/67.0", handshakeMessage, denied},
		"bearer":        {"Bearer", "/cometd/67.0", handshakeMessage, denied},
		"no token":      {"-", "/cometd/67.0", handshakeMessage, refused("401::Request requires authentication")},
		"basic":         {"Basic dTpw", "/cometd/67.0", handshakeMessage, refused("401::Request requires authentication")},
		"no version":    {"", "/cometd", handshakeMessage, refused("400::API version in the URI is mandatory. URI format: '/cometd/67.0'")},
		"other version": {"", "/cometd/x", handshakeMessage, refused("400::API version in the URI is mandatory. URI format: '/cometd/67.0'")},
		"old version": {"", "/cometd/36.0", handshakeMessage, refused(
			"400::Unsupported API version. Only API versions '37.0' and later are supported. URI format: '/cometd/67.0'")},
		"websocket": {
			"", "/cometd/67.0/handshake", `{"channel":"/meta/handshake","supportedConnectionTypes":["websocket"],"id":"1"}`,
			refused("400::Invalid connection type {websocket}"),
		},
	} {
		c := o.client(t)
		c.path = try.path
		switch try.token {
		case "":
		case "-":
			c.token = ""
		case "Bearer":
			c.token = strings.Replace(c.token, "OAuth", "Bearer", 1)
		default:
			c.token = try.token
		}
		if r := c.send(try.body); r.status != http.StatusOK || r.body != try.want {
			t.Errorf("%s: %d %s\nwant %s", name, r.status, r.body, try.want)
		}
	}
	first := o.client(t).handshake()
	second := o.client(t)
	second.post(handshakeMessage, refused("403::Organization concurrent user limit exceeded"))
	first.post(`[{"channel":"/meta/disconnect","clientId":"$id","id":"7"}]`, `[{"clientId":"$id","channel":"/meta/disconnect","id":"7","successful":true}]`)
	second.handshake()
}

func TestBearer_IsTakenUnlessRefused(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.client(t)
	c.token = strings.Replace(c.token, "OAuth", "Bearer", 1)
	c.handshake()
}

func TestConnect_IsHeldUntilAnEventOrTheTimeIsUp(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	answer := c.connect()
	o.held(t, 1)
	o.clock.Advance(109 * time.Second)
	select {
	case r := <-answer:
		t.Fatalf("answered too early: %v", r)
	default:
	}
	id := o.publish(t, "A-17")
	if got := c.read(<-answer); uuids(got) != id {
		t.Errorf("got %v, want %s", got, id)
	}
	answer = c.connect()
	o.held(t, 1)
	o.clock.Advance(110 * time.Second)
	if got := c.read(<-answer); len(got) != 0 {
		t.Errorf("got %v after the time is up", got)
	}
}

func TestConnect_TimeoutOfTheClient(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	c.post(`[{"channel":"/meta/connect","clientId":"$id","connectionType":"long-polling","advice":{"timeout":0},"id":5}]`,
		`[{"clientId":"$id","channel":"/meta/connect","id":5,"successful":true}]`)
	c.post(`[{"channel":"/meta/connect","clientId":"$id","connectionType":"callback-polling","id":"6"}]`,
		`[{"advice":{"reconnect":"none"},"channel":"/meta/connect","id":"6","error":"400::Invalid connection type {callback-polling}","successful":false}]`)
}

func TestBatch_RepliesInOrderAndEventsFirst(t *testing.T) {
	t.Parallel()
	o := start(t)
	id := o.publish(t, "A-1")
	c := o.client(t).handshake()
	// As faye sends it: the connect is first, and what it brings is of the subscribe.
	r := c.send(c.fill(`[{"channel":"/meta/connect","clientId":"$id","connectionType":"long-polling","advice":{"timeout":0},"id":"2"},` +
		`{"channel":"/meta/subscribe","clientId":"$id","subscription":"` + stock + `","ext":{"replay":{"` + stock + `":-2}},"id":"3"}]`))
	want := c.fill(`"channel":"/event/Stock_Low__e"},` +
		`{"clientId":"$id","advice":{"interval":0,"timeout":110000,"reconnect":"retry"},"channel":"/meta/connect","id":"2","successful":true},` +
		`{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"/event/Stock_Low__e","successful":true}]`)
	if !strings.HasSuffix(r.body, want) || !strings.Contains(r.body, id) {
		t.Errorf("%s\nwant %s", r.body, want)
	}
	c.post(`[]`, `[]`)
}

func TestConcurrentPosts_ASubscribeWakesTheHeldConnect(t *testing.T) {
	t.Parallel()
	o := start(t)
	id := o.publish(t, "A-1")
	c := o.ready(t)
	answer := c.connect()
	o.held(t, 1)
	c.subscribe(stock, "-2")
	if got := c.read(<-answer); uuids(got) != id {
		t.Errorf("got %v", got)
	}
}

func TestDisconnect_AnswersTheHeldConnect(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	answer := c.connect()
	o.held(t, 1)
	c.post(`[{"channel":"/meta/disconnect","clientId":"$id","id":"7"}]`, `[{"clientId":"$id","channel":"/meta/disconnect","id":"7","successful":true}]`)
	want := c.fill(`[{"clientId":"$id","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":"9","successful":true}]`)
	if r := <-answer; r.body != want {
		t.Errorf("%s\nwant %s", r.body, want)
	}
	c.post(connectMessage, unknownReply)
}

const unknownReply = `[{"advice":{"interval":0,"reconnect":"handshake"},"channel":"/meta/connect","id":"9","error":"403::Unknown client","successful":false}]`

func TestConnect_AnotherOneTakesOver(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	first := c.connect()
	o.held(t, 1)
	second := c.connect()
	if r := <-first; r.status != http.StatusRequestTimeout {
		t.Errorf("the first: %d %s", r.status, r.body)
	}
	o.held(t, 1)
	o.clock.Advance(110 * time.Second)
	c.read(<-second)
}

func TestClient_IsForgottenAfterFortySecondsWithoutAConnect(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	o.clock.Advance(39 * time.Second)
	answer := c.connect()
	o.held(t, 1)
	o.clock.Advance(100 * time.Second) // a held connect is a sign of life
	o.clock.Advance(10 * time.Second)
	c.read(<-answer)
	o.clock.Advance(40 * time.Second)
	c.post(connectMessage, unknownReply)
	c.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"`+stock+`","id":"3"}]`,
		`[{"advice":{"interval":0,"reconnect":"handshake"},"channel":"/meta/subscribe","id":"3","error":"403::Unknown client","successful":false}]`)
	never := o.client(t).handshake() // also one that never connects
	o.clock.Advance(40 * time.Second)
	never.post(connectMessage, unknownReply)
	if n := o.server.Stats().Clients; n != 0 {
		t.Errorf("%d clients are known", n)
	}
}

func TestCookies_AreDemanded(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	kept := c.cookies
	without := func(name string) []*http.Cookie {
		var left []*http.Cookie
		for _, cookie := range kept {
			if cookie.Name != name {
				left = append(left, cookie)
			}
		}
		return left
	}
	c.cookies = without("BAYEUX_BROWSER")
	c.post(connectMessage, `[{"advice":{"interval":0,"reconnect":"handshake"},"channel":"/meta/connect","id":"9",`+
		`"error":"400::Client $id has established a session, but no BAYEUX_BROWSER cookie present","successful":false}]`)
	c.cookies = without("sfdc-stream")
	c.post(connectMessage, unknownReply)
	c.cookies = append(without("t"), &http.Cookie{Name: "t", Value: "changed"})
	c.post(connectMessage, unknownReply)
	c.cookies = without("BrowserId")
	answer := c.connect()
	o.held(t, 1)
	o.clock.Advance(110 * time.Second)
	c.read(<-answer)

	lax := start(t, func(c *cometd.Config) { c.IgnoreCookies = true })
	d := lax.client(t).handshake()
	d.cookies = nil
	d.subscribe(stock, "-1")
}

func TestCookies_TwoClientsShareAJar(t *testing.T) {
	t.Parallel()
	o := start(t)
	first := o.ready(t)
	second := o.client(t)
	second.token, second.cookies = first.token, first.cookies
	second.handshake()
	first.cookies = second.cookies // what a jar does
	if first.id == second.id {
		t.Fatal("one client")
	}
	first.subscribe(stock, "-1")
	second.subscribe(stock, "-1")
	other, err := o.sessions.Login("other@x")
	if err != nil {
		t.Fatal(err)
	}
	third := o.client(t)
	third.token, third.cookies = "OAuth "+other.Token, first.cookies
	third.handshake()
	if third.cookies[0].Value == first.cookies[0].Value {
		t.Error("another user got the same cookies")
	}
}

func TestSession_RevokedOrOfSomebodyElse(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	invalid := `[{"clientId":"$id","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":"9","error":"401::Authentication invalid","successful":false}]`
	good := c.token
	other, err := o.sessions.Login("other@x")
	if err != nil {
		t.Fatal(err)
	}
	c.token = "OAuth " + other.Token
	c.post(connectMessage, invalid)
	c.token = good
	answer := c.connect()
	o.held(t, 1)
	o.sessions.Revoke(strings.TrimPrefix(good, "OAuth "))
	if r := <-answer; r.body != c.fill(invalid) {
		t.Errorf("the held connect: %s", r.body)
	}
	c.post(connectMessage, invalid)
}

func TestSubscribe_Refused(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	for subscription, want := range map[string]string{
		`"/event/None__e"`:              "400::The channel you requested to subscribe to doesn't exist {/event/None__e}",
		`"/event/stock_low__e"`:         "400::The channel you requested to subscribe to doesn't exist {/event/stock_low__e}",
		`"/event/*"`:                    "400::The channel you requested to subscribe to doesn't exist {/event/*}",
		`["` + stock + `","/topic/No"]`: "400::The channel you requested to subscribe to doesn't exist {/topic/No}",
		`"event/Stock_Low__e"`:          "400::Channel subscriptions must start with a leading '/'",
		`""`:                            "400::Channel name not specified",
		`[]`:                            "400::Channel name not specified",
		`7`:                             "400::Channel name not specified",
	} {
		c.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":`+subscription+`,"id":"3"}]`,
			`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":`+subscription+`,"error":"`+want+`","successful":false}]`)
	}
	for _, replay := range []string{`12`, `"12"`, `-3`, `0`, `1.5`, `"x"`, `null`, `true`} {
		text := strings.Trim(replay, `"`)
		c.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"`+stock+`","id":"3","ext":{"replay":{"`+stock+`":`+replay+`}}}]`,
			`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"`+stock+`","error":"400::The replayId {`+text+
				`} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.","successful":false}]`)
	}
	c.post(`[{"channel":"/meta/what","clientId":"$id","id":"3"},{"channel":"`+stock+`","clientId":"$id","data":{}},{"clientId":"$id"}]`,
		`[{"channel":"/meta/what","id":"3","error":"404::unknown_meta","successful":false},`+
			`{"channel":"`+stock+`","error":"403:denied_by_security_policy:publish_denied","successful":false},`+
			`{"channel":"","error":"404::unknown_meta","successful":false}]`)
}

func TestUnsubscribe_StopsTheEvents(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1").subscribe(changes, "-1")
	c.post(`[{"channel":"/meta/unsubscribe","clientId":"$id","subscription":"`+stock+`","id":"4"}]`,
		`[{"clientId":"$id","channel":"/meta/unsubscribe","id":"4","subscription":"`+stock+`","successful":true}]`)
	c.post(`[{"channel":"/meta/unsubscribe","clientId":"$id","id":"4"}]`,
		`[{"clientId":"$id","channel":"/meta/unsubscribe","id":"4","error":"400::Channel name not specified","successful":false}]`)
	o.publish(t, "A-1")
	answer := c.connect()
	o.held(t, 1)
	o.clock.Advance(110 * time.Second)
	if got := c.read(<-answer); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestTransports_OtherThanLongPollingFailCleanly(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.client(t)
	for method, want := range map[string]int{
		http.MethodGet: http.StatusBadRequest, http.MethodPut: http.StatusMethodNotAllowed, http.MethodDelete: http.StatusMethodNotAllowed,
	} {
		request, err := http.NewRequestWithContext(t.Context(), method, o.url+"/cometd/67.0", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", "websocket")
		request.Header.Set("Sec-WebSocket-Version", "13")
		request.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		if r := c.do(request); r.status != want || r.err != nil {
			t.Errorf("%s: %d %v", method, r.status, r.err)
		}
	}
}

func TestGarbage_IsRefused(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.client(t)
	for body, want := range map[string]int{
		"":                         http.StatusBadRequest,
		"{":                        http.StatusBadRequest,
		"7":                        http.StatusBadRequest,
		"[7]":                      http.StatusBadRequest,
		"[null]":                   http.StatusBadRequest,
		`message=[]`:               http.StatusBadRequest,
		`[{"channel":7}]`:          http.StatusOK,
		strings.Repeat("[", 20000): http.StatusBadRequest,
		"[" + strings.Repeat("{},", 1001) + "{}]": http.StatusBadRequest,
		strings.Repeat(" ", 1<<20) + "[]":         http.StatusRequestEntityTooLarge,
	} {
		if r := c.send(body); r.status != want || r.err != nil {
			t.Errorf("%.20q: %d %s %v", body, r.status, r.body, r.err)
		}
	}
}

func TestStop_AnswersHeldConnects(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t)
	answer := c.connect()
	o.held(t, 1)
	o.server.Stop()
	if r := <-answer; r.body != unknownReply {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestConnect_ThatNobodyWaitsForTakesNothing(t *testing.T) {
	t.Parallel()
	o := start(t)
	c := o.ready(t).subscribe(stock, "-1")
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url+c.path, strings.NewReader(c.fill(connectMessage)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", c.token)
	for _, cookie := range c.cookies {
		request.AddCookie(cookie)
	}
	done := make(chan response, 1)
	go func() { done <- c.do(request) }()
	o.held(t, 1)
	cancel()
	<-done
	o.held(t, 0)
	id := o.publish(t, "A-1")
	if got := c.events(); uuids(got) != id {
		t.Errorf("got %v", got)
	}
}

func TestAllocation_UsedUp(t *testing.T) {
	t.Parallel()
	o := startWith(t, bus.Config{DailyDelivered: 2})
	c := o.ready(t).subscribe(stock, "-1")
	o.publish(t, "A-1")
	o.publish(t, "A-2")
	got := c.events()
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	third := o.publish(t, "A-3")
	c.post(connectMessage, `[{"advice":{"reconnect":"none"},"channel":"/meta/connect","id":"9","error":"403::Organization total events daily limit exceeded","successful":false}]`)
	o.clock.Advance(24 * time.Hour)
	late := o.ready(t).subscribe(stock, number(got[1].Data.Event.ReplayID))
	if got := late.events(); uuids(got) != third {
		t.Errorf("the day after: %v", got)
	}
}

func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		handshakeMessage, connectMessage, `[{"channel":"/meta/subscribe","subscription":["/a"],"ext":{"replay":{"/a":"-2"}}}]`,
		`[{"channel":"/meta/connect","advice":{"timeout":-1e300},"id":{}}]`, `{"ext":[]}`, `[{"subscription":"/topic/x?%zz"}]`,
	} {
		f.Add(seed)
	}
	o := start(f)
	c := o.ready(f)
	f.Fuzz(func(t *testing.T, body string) {
		c := *c
		c.t = t
		r := c.send(body) // "$id" stays as it is: a connect of a known client would be held
		if r.err != nil || r.status != http.StatusOK && r.status != http.StatusBadRequest && r.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%q: %d %s %v", body, r.status, r.body, r.err)
		}
	})
}
