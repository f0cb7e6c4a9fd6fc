package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Prefix is where messages are posted: "/outbound/<route>".
const Prefix = "/outbound/"

// Config is how a route's messages are taken. Zero means the default.
type Config struct {
	// MaxBody bounds an envelope; default 6 MiB. A hundred records with long texts
	// fit in it.
	MaxBody int64
	// Remember is how long a notification's id is known; default 72 h. Salesforce
	// repeats for 24 h, and later if an admin asks it to.
	Remember time.Duration
	// OrgIDs are the orgs whose messages are taken; none takes those of the org that
	// OrgFunc tells.
	OrgIDs []string
	// OrgFunc tells the Id of the org the gateway is logged in to, or "" while it is
	// not known; nil never knows one. While none is known every org's messages are taken.
	OrgFunc func(ctx context.Context) string
}

// Deps is what a route works with; all are required.
type Deps struct {
	Route   *route.Route
	Intake  route.Intake
	Metrics *Metrics
	Log     *slog.Logger
}

// Receiver is a route that takes outbound messages. It is safe for concurrent use.
type Receiver struct {
	config Config
	deps   Deps
	orgs   map[string]bool
}

// New returns the receiver of a route.
func New(c Config, d Deps) (*Receiver, error) {
	if d.Route == nil || d.Intake == nil || d.Metrics == nil || d.Log == nil {
		return nil, errors.New("build receiver of outbound messages: route, intake, metrics and log are required")
	}
	if c.MaxBody == 0 {
		c.MaxBody = 6 << 20
	}
	if c.Remember == 0 {
		c.Remember = 72 * time.Hour
	}
	if c.OrgFunc == nil {
		c.OrgFunc = func(context.Context) string { return "" }
	}
	orgs := map[string]bool{}
	for _, text := range c.OrgIDs {
		id, err := salesforce.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("build receiver of route %q: organization Id: %w", d.Route.Name(), err)
		}
		orgs[string(id)] = true
	}
	return &Receiver{config: c, deps: d, orgs: orgs}, nil
}

// ServeHTTP takes one envelope and acknowledges it when all its notifications
// are durable. Anything else than that is a SOAP fault, after which Salesforce sends
// the envelope again.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	taken, fault := rc.take(w, r)
	name := rc.deps.Route.Name()
	if fault != nil {
		rc.deps.Metrics.refused(name, fault.reason)
		rc.deps.Log.WarnContext(r.Context(), "outbound message not acknowledged", "route", name, "why", fault.text, "err", fault.err)
		fault.write(w)
		return
	}
	rc.deps.Metrics.took(name, taken)
	answer(w, http.StatusOK, []byte(acknowledgement))
}

// taken counts what became of an envelope's notifications.
type taken struct{ accepted, duplicate, filtered int }

func (rc *Receiver) take(w http.ResponseWriter, r *http.Request) (taken, *fault) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return taken{}, &fault{status: http.StatusMethodNotAllowed, reason: "method", text: "Outbound messages are posted.", next: "let Salesforce send them to this address."}
	case r.ContentLength > rc.config.MaxBody:
		return taken{}, rc.tooLarge()
	}
	envelope, err := Read(&bounded{r.Body, rc.config.MaxBody})
	if _, ok := errors.AsType[tooLargeError](err); ok {
		return taken{}, rc.tooLarge()
	}
	if err != nil {
		return taken{}, &fault{
			status: http.StatusBadRequest, reason: "unreadable", text: "This is no outbound message: " + err.Error() + ".",
			next: "check that the address is entered for an outbound message and for nothing else.",
		}
	}
	if !rc.from(r.Context(), envelope.OrgID) {
		return taken{}, &fault{
			status: http.StatusForbidden, reason: "org", text: "The message comes from an org that this route does not take messages from.",
			next: "add its organization Id to the route's outbound_message.org_ids, or correct the address in that org.",
		}
	}
	return rc.store(r.Context(), &envelope)
}

func (rc *Receiver) tooLarge() *fault {
	return &fault{
		status: http.StatusRequestEntityTooLarge, reason: "too_large", text: fmt.Sprintf("The message is larger than %d bytes.", rc.config.MaxBody),
		next: "send fewer fields, or raise listen.max_body.",
	}
}

// from reports whether messages of an org are taken.
func (rc *Receiver) from(ctx context.Context, org string) bool {
	if len(rc.orgs) > 0 {
		return rc.orgs[org]
	}
	known := rc.config.OrgFunc(ctx)
	return known == "" || known == org
}

func (rc *Receiver) store(ctx context.Context, e *Envelope) (n taken, _ *fault) {
	now := time.Now().UTC()
	arrivals := make([]route.Arrival, 0, len(e.Notifications))
	for i := range e.Notifications {
		kept, ok := rc.deps.Route.Accept(rc.event(&e.Notifications[i], e.OrgID, now))
		if !ok {
			n.filtered++
			continue
		}
		// No digest: what is sent again carries newer values, and is the same notification.
		arrivals = append(arrivals, route.Arrival{Event: kept, Remember: rc.config.Remember})
	}
	if len(arrivals) == 0 {
		return n, nil
	}
	receipts, err := rc.deps.Intake.Accept(ctx, arrivals)
	if err == nil && len(receipts) != len(arrivals) {
		err = fmt.Errorf("%d receipts for %d events", len(receipts), len(arrivals))
	}
	if err != nil {
		return taken{}, &fault{
			status: http.StatusServiceUnavailable, reason: "store", text: "The message could not be stored.",
			next: "nothing by hand: Salesforce sends it again. If it stays, see the gateway's log.", after: time.Second, err: err,
		}
	}
	for _, r := range receipts {
		if r.Duplicate {
			n.duplicate++
		} else {
			n.accepted++
		}
	}
	return n, nil
}

// event makes an event of a notification. A message does not say when the record
// changed; the time is that of its arrival.
func (rc *Receiver) event(n *Notification, org string, now time.Time) event.Event {
	return event.Event{
		ID: n.ID, Source: "salesforce/" + org + "/" + rc.deps.Route.Name(), Type: "com.salesforce.outbound." + n.Object,
		Subject: n.Record, Time: now, Key: n.Record, OrgID: org, Data: n.Data,
	}
}

// Handler serves all receivers by the name of their routes, below [Prefix]. It
// takes the path as it was sent, as whoever admitted the request did.
func Handler(receivers map[string]*Receiver) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		receiver, ok := receivers[strings.TrimPrefix(r.URL.EscapedPath(), Prefix)]
		if !ok {
			f := fault{status: http.StatusNotFound, text: "No route takes outbound messages here.", next: "use the address /outbound/<route> of a route with arrives: outbound-message."}
			f.write(w)
			return
		}
		receiver.ServeHTTP(w, r)
	})
}

// bounded fails with [tooLargeError] after n bytes.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLargeError{}
	}
	return n, err
}

type tooLargeError struct{}

func (tooLargeError) Error() string { return "the message is too large" }
