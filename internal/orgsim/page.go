package orgsim

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// shownRequests is how many requests the page shows.
	shownRequests = 100
	maxForm       = 64 << 10
)

// pageRoutes adds the forms of the state page.
func (o *Org) pageRoutes(mux *http.ServeMux) {
	mux.Handle("POST /_sim/page/clock", o.form(o.submitClock))
	mux.Handle("POST /_sim/page/faults/on", o.form(o.submitFault))
	mux.Handle("POST /_sim/page/faults/off", o.form(func(f url.Values) error {
		o.faults.Clear(f.Get("id")) // one that is gone already is off
		return nil
	}))
}

// form runs a form and goes back to the page, which says what was wrong.
func (o *Org) form(submit func(url.Values) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		err := r.ParseForm()
		if err == nil {
			err = submit(r.PostForm)
		}
		if err != nil {
			o.servePage(w, r, http.StatusUnprocessableEntity, err.Error())
			return
		}
		http.Redirect(w, r, controlPath, http.StatusSeeOther)
	})
}

func (o *Org) submitClock(f url.Values) error {
	d, err := time.ParseDuration(f.Get("advance"))
	if err != nil {
		return fmt.Errorf("move the clock: %q is no duration such as 90s, 2h or 73h", f.Get("advance"))
	}
	o.cfg.Clock.Advance(d)
	return nil
}

func (o *Org) submitFault(f url.Values) error {
	count, err := strconv.Atoi(f.Get("count"))
	if err != nil {
		return fmt.Errorf("switch a fault on: %q is no number of times", f.Get("count"))
	}
	_, err = o.faults.Set(fault.Fault{
		Name: fault.Name(f.Get("name")), Count: count,
		Match: fault.Match{Endpoint: f.Get("endpoint"), Object: f.Get("object"), Topic: f.Get("topic")},
	})
	return err
}

func (o *Org) servePage(w http.ResponseWriter, r *http.Request, status int, problem string) {
	state, err := o.state(r.Context())
	var html bytes.Buffer
	if err == nil {
		state.Problem = problem
		err = o.page.Render(&html, state)
	}
	if err != nil {
		o.cfg.Logger.ErrorContext(r.Context(), "show the state page", "error", err)
		http.Error(w, "the state page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // the browser may be gone
}

// state collects what the page shows.
func (o *Org) state(ctx context.Context) (page.State, error) {
	counts, err := o.rowCounts(ctx)
	if err != nil {
		return page.State{}, err
	}
	streams := o.pubsub.Stats()
	s := page.State{
		URL: o.url, OrgID: string(o.cfg.OrgID), OrgName: o.cfg.OrgName, PubSubAddr: o.PubSubAddr(), PubSubTLS: o.PubSubTLSAddr(),
		Now: o.cfg.Clock.Now(), Requests: o.rest.RequestsUsed(), Sessions: int64(o.sessions.Count()),
		Objects: counts, Faults: o.faults.List(), Names: fault.Names(), Latest: o.requests.After(0, shownRequests),
		PubSubStreams: streams.Streams, Delivered: streams.Delivered,
	}
	slices.Reverse(s.Latest)
	slices.Sort(s.Names)
	// This one is nothing without a status and a code, which the form does not ask for.
	s.Names = slices.DeleteFunc(s.Names, func(n fault.Name) bool { return n == fault.APIError })
	subscribers := o.pubsub.Subscribers()
	for _, t := range o.bus.Topics() {
		s.Topics = append(s.Topics, page.Topic{
			Name: t.Name, Events: o.bus.PublishedCount(t.Name), Subscribers: subscribers[t.Name] + o.bus.Watching(t.Name),
		})
	}
	slices.SortStableFunc(s.Topics, func(x, y page.Topic) int { return rank(x.Events+x.Subscribers) - rank(y.Events+y.Subscribers) })
	return s, nil
}

// rank puts what is in use before what is empty.
func rank(n int) int {
	if n > 0 {
		return 0
	}
	return 1
}

// rowCounts counts the live rows of every object.
func (o *Org) rowCounts(ctx context.Context) ([]page.Object, error) {
	var counts []page.Object
	for _, object := range o.catalog.Objects() {
		if object.Kind != schema.Record {
			continue
		}
		result, err := o.records.Query(ctx, "SELECT COUNT() FROM "+object.Name, false)
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", object.Name, err)
		}
		counts = append(counts, page.Object{Name: object.Name, Label: object.Label, Rows: int64(result.Total)})
	}
	slices.SortStableFunc(counts, func(x, y page.Object) int { return rank(int(min(x.Rows, 1))) - rank(int(min(y.Rows, 1))) })
	return counts, nil
}
