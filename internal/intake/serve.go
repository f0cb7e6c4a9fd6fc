package intake

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// batchPath is where several events are sent in one request.
const batchPath = "/batch"

// serve answers a request at its route.
func (p *place) serve(in *request) (callout.Answer, *callout.Problem) {
	switch {
	case p.Events:
		return p.serveEvents(in)
	case in.below == batchPath && in.Method == http.MethodPost:
		return p.serveBatch(in)
	case p.Relay != nil:
		return p.serveRelay(in)
	}
	return p.serveAcceptor(in)
}

// serveRelay passes a request on and the answer back.
func (p *place) serveRelay(in *request) (callout.Answer, *callout.Problem) {
	switch in.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		return callout.Answer{}, wrongMethod(in, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	if in.below != "" {
		if problem := callout.CheckPath(strings.TrimPrefix(in.below, "/")); problem != nil {
			return callout.Answer{}, problem
		}
	}
	req, problem := in.fields(p.pass)
	if problem != nil {
		return callout.Answer{}, problem
	}
	if req.Body, problem = in.read(); problem != nil {
		return callout.Answer{}, problem
	}
	if problem := p.checkBody(in.Method, req.Body); problem != nil {
		return callout.Answer{}, problem
	}
	in.listen()
	return p.Relay.Do(in.Context(), req)
}

// serveAcceptor takes one event, or says what became of one.
func (p *place) serveAcceptor(in *request) (callout.Answer, *callout.Problem) {
	if in.below != "" {
		return p.serveStatus(in)
	}
	if in.Method != http.MethodPost {
		return callout.Answer{}, wrongMethod(in, "POST")
	}
	req, problem := in.fields(nil)
	if problem != nil {
		return callout.Answer{}, problem
	}
	if req.Body, problem = in.read(); problem != nil {
		return callout.Answer{}, problem
	}
	if problem := p.check(req.Body); problem != nil {
		return callout.Answer{}, problem
	}
	if p.Acceptor.Waits() {
		in.listen()
	}
	return p.Acceptor.Accept(in.Context(), req)
}

// check holds data against what the route takes.
func (p *place) check(data []byte) *callout.Problem {
	if p.Check == nil {
		return nil
	}
	return p.Check(data)
}

// checkBody is check for a request whose method may do without a body.
func (p *place) checkBody(method string, body []byte) *callout.Problem {
	if len(body) == 0 && method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch {
		return nil
	}
	return p.check(body)
}

// checkItems is check for several events, each for itself.
func (p *place) checkItems(items []callout.Item) {
	if p.Check == nil {
		return
	}
	for i := range items {
		if items[i].Problem == nil {
			items[i].Problem = p.Check(items[i].Event.Data)
		}
	}
}

// serveStatus says what became of an event: /<id>.
func (p *place) serveStatus(in *request) (callout.Answer, *callout.Problem) {
	if in.Method != http.MethodGet && in.Method != http.MethodHead {
		return callout.Answer{}, wrongMethod(in, "GET, HEAD")
	}
	id, err := url.PathUnescape(strings.TrimPrefix(in.below, "/"))
	if err != nil || id == "" {
		return callout.Answer{}, bad("the path names no event", "ask for the status_url that came with the event's acceptance")
	}
	return p.Acceptor.Status(in.Context(), id)
}

// serveBatch takes several events.
func (p *place) serveBatch(in *request) (callout.Answer, *callout.Problem) {
	req, problem := in.fields(nil)
	if problem != nil {
		return callout.Answer{}, problem
	}
	body, problem := in.open()
	if problem != nil {
		return callout.Answer{}, problem
	}
	items, problem := callout.DecodeBatch(body, isLines(in.Header.Get("Content-Type")), func(id, orderKey string, data []byte) event.Event {
		one := req
		one.Key, one.OrderKey, one.Body = id, orderKey, data
		return callout.NewEvent(p.Name, &one)
	})
	if problem != nil {
		return callout.Answer{}, problem
	}
	drain(body)
	in.listen()
	callout.NameItems(items, req.Key)
	p.checkItems(items)
	if p.Relay != nil {
		return p.Relay.DoBatch(in.Context(), items, req)
	}
	return p.Acceptor.AcceptBatch(in.Context(), items, in.received)
}

// drain reads what is left, so that the end of the request is seen.
func drain(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

// isLines knows the media types of one JSON value a line.
func isLines(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/x-ndjson" || media == "application/ndjson" || media == "application/jsonl")
}

func wrongMethod(in *request, allowed string) *callout.Problem {
	in.w.Header().Set("Allow", allowed)
	return &callout.Problem{
		Status: 405, Code: callout.CodeMethod, What: "the method is not possible here", Happened: event.HappenedNo, Next: "use " + allowed,
	}
}
