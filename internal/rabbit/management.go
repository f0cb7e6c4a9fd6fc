package rabbit

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// ManagementConfig says how the management API is reached. Zero means the default.
type ManagementConfig struct {
	// At returns the API's address, with user and password in it, and the virtual
	// host. It is asked each time, so that rotated credentials are found.
	At func(ctx context.Context) (address, vhost string, err error)
	// Timeout bounds reading everything, once; default 4 s.
	Timeout time.Duration
	// TLS is used with https; nil means the system's authorities.
	TLS *tls.Config
}

// Management reads a broker's management API: what AMQP does not tell. It only
// reads. It is safe for concurrent use.
type Management struct {
	cfg  ManagementConfig
	http *http.Client
}

// Report is what the management API told.
type Report struct {
	At     time.Time
	Queues map[string]QueueReport
	// Nodes is empty where the user may not see them; NodesWhy says so.
	Nodes    []NodeReport
	NodesWhy string
}

// QueueReport is a queue as the management API sees it, some seconds late. What it does not
// tell is missing: quorum queues do not tell the age of their first message.
type QueueReport struct {
	Ready, Unacked, Consumers int
	// Published, Delivered and Acked are a second, over the last minute.
	Published, Delivered, Acked float64
	// Busy tells what share of the time the queue could hand out messages at once;
	// below 1 its consumers keep it waiting. -1 is not known.
	Busy float64
	// Oldest is the time stamp of the first message; zero where it is not told.
	Oldest time.Time
	Bytes  int64
}

// NodeReport is a node of the broker.
type NodeReport struct {
	Name                            string
	Running, MemoryAlarm, DiskAlarm bool
	MemoryUsed, MemoryLimit         int64
	DiskFree, DiskLimit             int64
}

// managementAnswer bounds an answer, and managementPages how many are read of a list.
const (
	managementAnswer = 4 << 20
	managementPages  = 10
	managementPage   = 200
)

// NewManagement returns a reader of the management API. Close it to drop idle connections.
func NewManagement(c ManagementConfig) *Management {
	if c.Timeout == 0 {
		c.Timeout = 4 * time.Second
	}
	return &Management{cfg: c, http: &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext, TLSHandshakeTimeout: 3 * time.Second, TLSClientConfig: c.TLS.Clone(),
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		},
		// A redirect would carry the password elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close drops idle connections.
func (m *Management) Close() error {
	m.http.CloseIdleConnections()
	return nil
}

// ManagementAt derives where the management API is from a broker's URL, with
// the same user and password: https on the same host behind amqps, as hosting
// providers have it, and port 15672 without TLS behind amqp, as the broker's own default is.
func ManagementAt(broker string) (address, vhost string, err error) {
	first := nodes(broker)[0]
	parsed, err := amqp.ParseURI(first)
	if err != nil {
		return "", "", checkURL(first)
	}
	u := url.URL{Scheme: "https", Host: parsed.Host, User: url.UserPassword(parsed.Username, parsed.Password)}
	if parsed.Scheme == "amqp" {
		u.Scheme, u.Host = "http", net.JoinHostPort(parsed.Host, "15672")
	}
	return u.String(), parsed.Vhost, nil
}

// ManagementWith completes a given address by the user and password of a broker's
// URL, unless it has its own.
func ManagementWith(given, broker string) (address, vhost string, err error) {
	parsed, err := amqp.ParseURI(nodes(broker)[0])
	if err != nil {
		return "", "", checkURL(broker)
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" {
		return "", "", errors.New("not an address of the form https://host")
	}
	if u.User == nil {
		u.User = url.UserPassword(parsed.Username, parsed.Password)
	}
	return u.String(), parsed.Vhost, nil
}

// Read reads the queues whose names begin with prefix, and the nodes.
func (m *Management) Read(ctx context.Context, prefix string) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	address, vhost, err := m.cfg.At(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("read the management API's address: %w", err)
	}
	r := Report{At: time.Now(), Queues: map[string]QueueReport{}}
	for page, more := 1, true; more; page++ {
		if page > managementPages {
			return Report{}, unread(fmt.Errorf("there are more than %d queues", managementPages*managementPage), "use another rabbitmq.prefix")
		}
		if more, err = m.queues(ctx, address, vhost, prefix, page, r.Queues); err != nil {
			return Report{}, err
		}
	}
	r.Nodes, err = m.nodes(ctx, address)
	if e, ok := errors.AsType[*event.Error](err); ok && e.Healing == event.Permanent {
		r.NodesWhy, err = "the user may not see the broker's nodes (its tag would have to be monitoring)", nil
	}
	return r, err
}

// queueColumns are asked for; averages are over what is asked of msg_rates.
const queueColumns = "name,messages_ready,messages_unacknowledged,consumers,consumer_capacity,consumer_utilisation,head_message_timestamp,message_bytes," +
	"message_stats.publish_details.avg_rate,message_stats.deliver_get_details.avg_rate,message_stats.ack_details.avg_rate"

type rate struct {
	Average float64 `json:"avg_rate"`
}

type queueAnswer struct {
	Name        string
	Ready       int             `json:"messages_ready"`
	Unacked     int             `json:"messages_unacknowledged"`
	Consumers   int             `json:"consumers"`
	Capacity    *number         `json:"consumer_capacity"`
	Utilisation *number         `json:"consumer_utilisation"`
	Head        json.RawMessage `json:"head_message_timestamp"`
	Bytes       int64           `json:"message_bytes"`
	Stats       struct {
		Publish rate `json:"publish_details"`
		Deliver rate `json:"deliver_get_details"`
		Ack     rate `json:"ack_details"`
	} `json:"message_stats"`
}

// number is one that may be given as an empty text, which says that there is none.
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil {
		v = -1
	}
	*n = number(v)
	return nil
}

func (m *Management) queues(ctx context.Context, address, vhost, prefix string, page int, into map[string]QueueReport) (more bool, err error) {
	q := url.Values{
		"page": {strconv.Itoa(page)}, "page_size": {strconv.Itoa(managementPage)}, "columns": {queueColumns},
		"name": {"^" + regexp.QuoteMeta(prefix)}, "use_regex": {"true"}, "msg_rates_age": {"60"}, "msg_rates_incr": {"5"},
	}
	var answer struct {
		Items     []queueAnswer
		PageCount int `json:"page_count"`
	}
	if err := m.get(ctx, address, "/api/queues/"+url.PathEscape(vhost), q, &answer); err != nil {
		return false, err
	}
	for _, a := range answer.Items {
		into[a.Name] = a.report()
	}
	return page < answer.PageCount, nil
}

func (a *queueAnswer) report() QueueReport {
	r := QueueReport{
		Ready: a.Ready, Unacked: a.Unacked, Consumers: a.Consumers, Bytes: a.Bytes, Busy: -1,
		Published: a.Stats.Publish.Average, Delivered: a.Stats.Deliver.Average, Acked: a.Stats.Ack.Average,
	}
	for _, v := range []*number{a.Utilisation, a.Capacity} { // the newer name last
		if v != nil && *v >= 0 && a.Consumers > 0 {
			r.Busy = min(float64(*v), 1)
		}
	}
	if seconds, err := strconv.ParseInt(string(a.Head), 10, 64); err == nil && seconds > 0 {
		r.Oldest = time.Unix(seconds, 0).UTC()
	}
	return r
}

func (m *Management) nodes(ctx context.Context, address string) ([]NodeReport, error) {
	var answer []struct {
		Name        string
		Running     bool
		MemoryAlarm bool  `json:"mem_alarm"`
		DiskAlarm   bool  `json:"disk_free_alarm"`
		MemoryUsed  int64 `json:"mem_used"`
		MemoryLimit int64 `json:"mem_limit"`
		DiskFree    int64 `json:"disk_free"`
		DiskLimit   int64 `json:"disk_free_limit"`
	}
	columns := url.Values{"columns": {"name,running,mem_alarm,disk_free_alarm,mem_used,mem_limit,disk_free,disk_free_limit"}}
	if err := m.get(ctx, address, "/api/nodes", columns, &answer); err != nil {
		return nil, err
	}
	out := []NodeReport{}
	for _, a := range answer {
		out = append(out, NodeReport(a))
	}
	return out, nil
}

// unread explains why the management API could not be read.
func unread(err error, hint string) error {
	return &event.Error{Op: "read the broker's management API", Happened: event.HappenedNo, Healing: event.Transient, Hint: hint, Err: err}
}

func (m *Management) get(ctx context.Context, address, path string, query url.Values, into any) error {
	u, err := url.Parse(strings.TrimSuffix(address, "/") + path + "?" + query.Encode())
	if err != nil {
		return unread(errors.New("its address is none"), "check rabbitmq.management")
	}
	user := u.User
	u.User = nil // no error may show it
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return unread(errors.New("its address is none"), "check rabbitmq.management")
	}
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	resp, err := m.http.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the long query
		}
		return unread(fmt.Errorf("reach %s: %w", u.Host, err), "check rabbitmq.management, or set it to off")
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		err := unread(fmt.Errorf("%s answered %s", u.Host, resp.Status), "give the broker's user the tag management (or monitoring, to see alarms)")
		if e, ok := errors.AsType[*event.Error](err); ok {
			e.Healing = event.Permanent
		}
		return err
	case resp.StatusCode != http.StatusOK:
		return unread(fmt.Errorf("%s answered %s", u.Host, resp.Status), "check rabbitmq.management")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, managementAnswer+1))
	if err == nil && len(body) > managementAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", managementAnswer)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return unread(fmt.Errorf("understand %s: %w", u.Host, err), "check that rabbitmq.management is the management API of RabbitMQ")
	}
	return nil
}
