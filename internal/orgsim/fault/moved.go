package fault

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// moved plays an org that now lives on another host: calls to the old one are sent
// on with 301, logins go on working there and name the new one.
func (h *httpFaults) moved(w http.ResponseWriter, r *http.Request, p Point) bool {
	login := r.URL.Path == tokenPath || strings.HasPrefix(r.URL.Path, "/services/Soap/")
	if !login && !underData(r.URL.Path) && !strings.HasPrefix(r.URL.Path, "/cometd/") {
		return false
	}
	if !login && !h.atOldHost(r) {
		return false
	}
	f, ok := h.board.Take(InstanceMoved, p)
	if !ok {
		return false
	}
	target := f.Target
	if target == "" {
		target = otherLoopback(h.around.InstanceURL)
	}
	if login {
		serveMovedLogin(w, r, h.next, h.around.InstanceURL, target)
		return true
	}
	w.Header().Set("Location", target+r.URL.RequestURI())
	w.WriteHeader(http.StatusMovedPermanently)
	return true
}

// atOldHost says that the request was sent to where the org was.
func (h *httpFaults) atOldHost(r *http.Request) bool {
	u, err := url.Parse(h.around.InstanceURL)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// otherLoopback turns http://127.0.0.1:8180 into http://localhost:8180 and back:
// two hosts that are one simulator.
func otherLoopback(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	name := "localhost"
	if u.Hostname() == name {
		name = "127.0.0.1"
	}
	u.Host = net.JoinHostPort(name, u.Port())
	return u.String()
}

// serveMovedLogin lets a login happen and changes the instance in its answer.
func serveMovedLogin(w http.ResponseWriter, r *http.Request, next http.Handler, from, to string) {
	answer := newSink()
	next.ServeHTTP(answer, r)
	body := answer.body.Bytes()
	for _, before := range []string{`"instance_url":"`, "<serverUrl>", "<metadataServerUrl>"} {
		body = bytes.ReplaceAll(body, []byte(before+from), []byte(before+to))
	}
	answer.copyTo(w, body)
}
