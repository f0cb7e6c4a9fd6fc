package limit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-dev/sallyport/bench/internal/appendlog"
	"github.com/sallyport-dev/sallyport/bench/internal/transcode"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// queue is how many events may wait for a worker.
const queue = 4096

// item is one event on its way to the sink.
type item struct {
	id   string
	body []byte
}

// Delivery is the combined limit: stream, transcoder, log, delivery one by one,
// log of the answers. It is measured as one program because the parts share the
// machine.
type Delivery struct {
	Stream  *Stream
	Events  *appendlog.Log
	Acks    *appendlog.Log
	Sink    string
	Workers int
}

// Run delivers until acked returns false for the number of answers on disk.
func (d Delivery) Run(ctx context.Context, acked func(total int64) bool) error {
	g, ctx := errgroup.WithContext(ctx)
	work, acks := make(chan item, queue), make(chan string, queue)
	g.Go(func() error { return d.store(ctx, work) })
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConns: d.Workers, MaxIdleConnsPerHost: d.Workers, DisableCompression: true,
	}}
	defer client.CloseIdleConnections()
	for range d.Workers {
		g.Go(func() error { return d.deliver(ctx, client, work, acks) })
	}
	g.Go(func() error { return d.acknowledge(ctx, acks, acked) })
	if err := g.Wait(); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

var errEnough = errors.New("all events are acknowledged")

func (d Delivery) store(ctx context.Context, work chan<- item) error {
	plan, err := transcode.Compile(d.Stream.Schema)
	if err != nil {
		return err
	}
	var waiting []item
	for {
		var resp *pubsubpb.FetchResponse
		var ok bool
		select {
		case resp, ok = <-d.Stream.Responses:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return fmt.Errorf("stream ended: %w", d.Stream.Close())
		}
		// A buffer per response, because its events' bodies outlive it.
		buf := make([]byte, 0, 2048*len(resp.GetEvents()))
		for _, e := range resp.GetEvents() {
			start := len(buf)
			if buf, err = plan.Append(buf, e.GetEvent().GetPayload()); err != nil {
				return err
			}
			it := item{id: e.GetEvent().GetId(), body: buf[start:len(buf):len(buf)]}
			waiting = append(waiting, it)
			_ = d.Events.Add(func(dst []byte) ([]byte, error) { return append(append(dst, it.id...), it.body...), nil })
		}
		if d.Events.Pending() < batch && len(d.Stream.Responses) > 0 {
			continue
		}
		if _, err := d.Events.Sync(); err != nil {
			return err
		}
		for _, it := range waiting {
			select {
			case work <- it:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		waiting = waiting[:0]
	}
}

func (d Delivery) deliver(ctx context.Context, client *http.Client, work <-chan item, acks chan<- string) error {
	for {
		var it item
		select {
		case it = <-work:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := post(ctx, client, d.Sink, it); err != nil {
			return err
		}
		select {
		case acks <- it.id:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func post(ctx context.Context, client *http.Client, sink string, it item) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sink, bytes.NewReader(it.body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Ce-Id", it.id)
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("deliver: status %d", resp.StatusCode)
	}
	return nil
}

// acknowledge logs the answers: all that have come, then one fdatasync.
func (d Delivery) acknowledge(ctx context.Context, acks <-chan string, acked func(int64) bool) error {
	var total int64
	for {
		select {
		case id := <-acks:
			d.ack(id)
		case <-ctx.Done():
			return ctx.Err()
		}
		for range len(acks) {
			d.ack(<-acks)
		}
		n, err := d.Acks.Sync()
		if err != nil {
			return err
		}
		if total += int64(n); !acked(total) {
			return errEnough
		}
	}
}

func (d Delivery) ack(id string) {
	_ = d.Acks.Add(func(dst []byte) ([]byte, error) {
		dst = append(dst, id...)
		return binary.LittleEndian.AppendUint64(dst, 200), nil
	})
}
