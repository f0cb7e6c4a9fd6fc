package cometd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// exchange is one request with its answer.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request

	version        int
	versionProblem string
	token          string
	session        session.Session
	authenticated  bool

	events []json.RawMessage
	// closed says that the answer is not the usual one and is written already, or
	// that nobody waits for it.
	closed bool
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{server: s, w: w, r: r}
	x.version, x.versionProblem = versionOf(r.URL.Path)
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "OAuth") && !strings.EqualFold(scheme, "Bearer") {
		return x
	}
	x.token = strings.TrimSpace(token)
	if !s.cfg.RefuseBearer || strings.EqualFold(scheme, "OAuth") {
		x.session, x.authenticated = s.cfg.Sessions.Authenticate(x.token)
	}
	return x
}

// answer handles the messages in order, but a connect after all others: what it
// waits for, the others may bring about. Replies are in the messages' order, and
// events come before them.
func (x *exchange) answer(messages []*message) {
	replies := make([]reply, len(messages))
	connect := -1
	for i, m := range messages {
		if m.channel == metaConnect && connect < 0 {
			connect = i
			continue
		}
		replies[i] = x.handle(m)
	}
	if connect >= 0 {
		replies[connect] = x.handle(messages[connect])
	}
	if !x.closed {
		x.write(replies)
	}
}

func (x *exchange) write(replies []reply) {
	var body bytes.Buffer
	body.WriteByte('[')
	for _, e := range x.events {
		body.Write(e)
		body.WriteByte(',')
	}
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	for i := range replies {
		if err := encoder.Encode(&replies[i]); err != nil {
			panic(fmt.Sprintf("encode reply: %v", err)) // ids and subscriptions were JSON when they came
		}
		body.Truncate(body.Len() - 1) // the encoder's new line
		body.WriteByte(',')
	}
	if body.Len() > 1 {
		body.Truncate(body.Len() - 1)
	}
	body.WriteByte(']')
	x.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	x.w.Header().Set("Cache-Control", "no-cache, no-store")
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body.Bytes()) // the client may be gone; what was in the answer is then lost, as its own server would lose it
}

func (x *exchange) point(topic string) fault.Point {
	return fault.Point{Endpoint: x.r.URL.Path, Method: x.r.Method, Topic: topic}
}

// handle answers one message.
func (x *exchange) handle(m *message) reply {
	faults := x.server.cfg.Faults
	if _, ok := faults.Take(fault.ServerTooBusy, x.point("")); ok {
		return refusal(m, errTooBusy, adviseNone)
	}
	if _, ok := faults.Take(fault.ServerTooBusyAs401, x.point("")); ok {
		r := refusal(m, errUnauthenticated, adviseNone)
		r.Ext = extTooBusy
		return r
	}
	switch {
	case x.versionProblem != "":
		return refusal(m, x.versionProblem, adviseNone)
	case x.token == "":
		return refusal(m, errNoAuth, adviseNone)
	case m.channel == metaHandshake:
		return x.handshake(m)
	case !x.authenticated:
		return unauthenticated(m)
	}
	return x.handleKnown(m)
}

// handleKnown answers a message that needs a client.
func (x *exchange) handleKnown(m *message) reply {
	c, ok := x.server.client(m.clientID)
	if !ok {
		return unknownClient(m)
	}
	if c.user != x.session.UserID {
		return unauthenticated(m)
	}
	if !x.server.cfg.IgnoreCookies {
		if problem := c.cookies.check(x.r, c.id); problem == errUnknownClient {
			return unknownClient(m)
		} else if problem != "" {
			return refusal(m, problem, adviseHandshake)
		}
	}
	if _, ok := x.server.cfg.Faults.Take(fault.UnknownClient, x.point("")); ok {
		x.server.forget(c, unknown)
		return unknownClient(m)
	}
	switch m.channel {
	case metaConnect:
		return x.connect(m, c)
	case metaSubscribe:
		return x.subscribe(m, c)
	case metaUnsubscribe:
		return x.unsubscribe(m, c)
	case metaDisconnect:
		x.server.forget(c, disconnected)
		return success(m, c.id)
	}
	if strings.HasPrefix(m.channel, "/meta/") || m.channel == "" {
		return refusal(m, errUnknownMeta, nil)
	}
	return refusal(m, errPublishDenied, nil)
}

// handshake makes a client known.
func (x *exchange) handshake(m *message) reply {
	_, denied := x.server.cfg.Faults.Take(fault.HandshakeDenied, x.point(""))
	if denied || !x.authenticated {
		r := refusal(m, errDenied, adviseNone)
		r.Ext = extDenied
		return r
	}
	if !slices.Contains(m.connectionTypes, longPolling) {
		return refusal(m, fmt.Sprintf(errConnectionType, strings.Join(m.connectionTypes, ",")), adviseNone)
	}
	c, ok := x.server.admit(x.session.UserID, x.version, x.r)
	if !ok {
		return refusal(m, errClientLimit, adviseNone)
	}
	c.cookies.set(x.w, x.r, x.server.cfg.Clock.Now())
	r := success(m, c.id)
	r.Ext, r.Version, r.MinimumVersion = extHandshake, "1.0", "1.0"
	r.SupportedConnectionTypes = []string{longPolling}
	return r
}
