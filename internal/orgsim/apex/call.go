package apex

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
)

// CallTrace is one callout as it went.
type CallTrace struct {
	Method   string `json:"method"`
	Endpoint string `json:"endpoint"`
	// Status is 0 where there was no response; Problem then says why.
	Status  int    `json:"status,omitempty"`
	Problem string `json:"problem,omitempty"`
	Millis  int64  `json:"millis"`
}

// callout is Http.send.
func (t *transaction) callout(ctx context.Context, c *Call) (any, error) {
	if err := take(&t.used.callouts, 1, t.limits.Callouts, "callouts"); err != nil {
		return nil, err
	}
	switch {
	case t.unit.context == Scheduled:
		return nil, throw(calloutException, "Callout from scheduled Apex not supported.")
	case t.unit.context == Future && !t.unit.callouts:
		return nil, throw(calloutException, "Callout not allowed from this future method. Please enable callout by annotating the future method. eg: @Future(callout=true)")
	case t.uncommitted():
		return nil, throw(calloutException, uncommittedWork)
	}
	request, err := t.request(c)
	if err != nil {
		return nil, err
	}
	left := t.limits.CalloutTime - t.used.calloutTime
	timeIsUsed := throw(calloutException, calloutTimeIsUsed, t.limits.CalloutTime.Milliseconds())
	if left <= 0 {
		return nil, timeIsUsed
	}
	short := left < request.Timeout
	request.Timeout = min(request.Timeout, left)
	response, err := t.send(ctx, request)
	if failed, ok := errors.AsType[*callout.Error](err); ok {
		if failed.Timeout && short {
			return nil, timeIsUsed
		}
		return nil, throw(calloutException, "%s", failed.Message)
	}
	if err != nil {
		return nil, err
	}
	return t.received(response)
}

// send does the exchange and counts its time.
func (t *transaction) send(ctx context.Context, r *callout.Request) (*callout.Response, error) {
	now := t.rt.cfg.Clock.Now
	began := now()
	t.meter.calling(began)
	response, err := t.rt.cfg.Callouts.Do(ctx, r)
	took := now().Sub(began)
	t.meter.called(took)
	t.used.calloutTime += took
	trace := CallTrace{Method: r.Method, Endpoint: r.Endpoint, Millis: took.Milliseconds()}
	if err != nil {
		trace.Problem = err.Error()
	} else {
		trace.Status = response.Status
	}
	t.result.Callouts = append(t.result.Callouts, trace)
	return response, err
}

func (t *transaction) request(c *Call) (*callout.Request, error) {
	endpoint, err := t.vars.expandText(c.Endpoint)
	if err != nil {
		return nil, err
	}
	r := &callout.Request{
		Method: c.Method, Endpoint: endpoint, Header: make(map[string]string), Compressed: c.Compressed, MaxBody: t.limits.Body,
		Timeout: cmp.Or(time.Duration(c.Timeout), defaultTimeout),
	}
	for name, value := range c.Headers {
		if r.Header[name], err = t.vars.expandText(value); err != nil {
			return nil, err
		}
	}
	body, err := t.vars.resolve(c.Body)
	if err != nil {
		return nil, err
	}
	switch body := body.(type) {
	case nil:
	case string:
		r.Body = []byte(body)
	default:
		r.Body = encode(body)
		if !hasHeader(r.Header, "Content-Type") {
			r.Header["Content-Type"] = "application/json;charset=UTF-8"
		}
	}
	return r, t.checkHeap(len(r.Body))
}

func hasHeader(headers map[string]string, name string) bool {
	for h := range headers {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

// received makes a response a value. What its body means as JSON is there beside
// the text and takes no heap of its own until a variable gets it.
func (t *transaction) received(r *callout.Response) (any, error) {
	if err := t.checkHeap(len(r.Body)); err != nil {
		return nil, err
	}
	headers := make(map[string]any, len(r.Header))
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ", ")
	}
	value := map[string]any{"status": int64(r.Status), "statusText": r.StatusText, "headers": headers, "body": string(r.Body)}
	if v, ok := decodeJSON(r.Body); ok {
		value["json"] = v
	}
	return value, nil
}

func decodeJSON(data []byte) (any, bool) {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, false
	}
	return plainNumbers(v), true
}

// plainNumbers makes whole numbers int64 and others float64.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // infinite where it is too large
		return f
	case map[string]any:
		for k, item := range v {
			v[k] = plainNumbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = plainNumbers(item)
		}
	}
	return v
}
