package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// OpenQueues connects to the broker for the command line. To change something it
// owns the store for as long as it is open, which a running gateway with a file
// store does not allow.
func OpenQueues(ctx context.Context, s config.Settings, change bool) (_ control.OpenedQueues, err error) {
	log := slog.New(slog.DiscardHandler)
	bindings, err := compileRoutes(s.Routes)
	if err != nil {
		return control.OpenedQueues{}, err
	}
	left := map[string]bool{}
	for _, b := range bindings {
		left[b.route.Name()] = b.settings.Waits == config.WaitsStore && s.RabbitMQ.Given()
	}
	cfg := queueConfig(s, bindings, "command line", left)
	if len(cfg.Routes) == 0 {
		return control.OpenedQueues{}, errors.New("no route waits in RabbitMQ")
	}
	t := &queueTool{routes: s.Routes, left: left}
	if t.keys, err = sealed.New(s.Encryption.Reveal()...); err != nil {
		return control.OpenedQueues{}, fmt.Errorf("read encryption.keys: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if change {
		use := storeUse{Owner: "command line", Log: log, Lookup: os.LookupEnv, Trail: trailOf(s), Keys: t.keys}
		opened, err := openStore(ctx, s.Store, use)
		if err != nil {
			return control.OpenedQueues{}, fmt.Errorf("open the store, which keeps the account: %w", err)
		}
		t.store = opened
	}
	if t.broker, err = openBroker(s.RabbitMQ, "command line", log); err != nil {
		return control.OpenedQueues{}, err
	}
	t.insight = newInsight(s.RabbitMQ, t.broker)
	t.queues, err = newQueues(cfg, t.broker, t.register(), nil, log)
	return control.OpenedQueues{API: t, Close: t.close}, err
}

// queueTool is the broker as an operator sees it.
type queueTool struct {
	store   store.Store // nil where nothing is changed
	broker  *broker
	queues  *rabbitqueue.Queue
	keys    *sealed.Keyring
	routes  map[string]config.Route
	insight *insight
	left    map[string]bool // routes that wait in the store, and may have waited in the broker
}

func (t *queueTool) close() error {
	var errs []error
	if t.queues != nil {
		errs = append(errs, t.queues.Close())
	}
	if t.insight != nil {
		errs = append(errs, t.insight.close())
	}
	if t.broker != nil {
		errs = append(errs, t.broker.close())
	}
	if t.store != nil {
		errs = append(errs, t.store.Close())
	}
	return errors.Join(errs...)
}

// Queues implements [control.Queues].
func (t *queueTool) Queues(ctx context.Context) (control.QueueList, error) {
	levels, err := t.queues.Levels(ctx)
	if err != nil {
		return control.QueueList{}, err
	}
	t.insight.look(ctx)
	out := []control.Queue{}
	for _, l := range levels {
		if t.left[l.Route] && len(l.Missing) == len(l.Names) {
			continue
		}
		out = append(out, control.Queue{
			Route: l.Route, Names: l.Names, Ready: l.Ready, Retrying: l.Retrying, Dead: l.Dead, Consumers: l.Consumers,
			MaxDepth: l.MaxDepth, Missing: l.Missing, Left: t.left[l.Route],
			Traffic: t.insight.traffic(l),
		})
	}
	return control.QueueList{Queues: out, Broker: *brokerView(t.broker, t.insight)}, nil
}

// Peek implements [control.Queues].
func (t *queueTool) Peek(ctx context.Context, q control.PeekQuery) ([]control.Letter, error) {
	letters, err := t.queues.Peek(ctx, q.Route, q.Dead, q.Limit)
	if err != nil {
		return nil, err
	}
	out := make([]control.Letter, len(letters))
	for i, l := range letters {
		out[i] = control.Letter{
			Queue: l.Queue, ID: l.Event.ID, Type: l.Event.Type, Subject: l.Event.Subject, Key: l.Event.Key, Accepted: l.Accepted,
			Attempts: l.Attempts, Due: l.Due, Handed: l.Handed, Died: l.Died, Status: l.Status, Reason: l.Reason, History: l.History,
			Size: len(l.Event.Data),
		}
		if q.Payload {
			out[i].Data = control.Mask(encrypted.Shown(t.keys, &l.Event), t.routes[q.Route].Redact)
		}
	}
	return out, nil
}

// Purge implements [control.Queues].
func (t *queueTool) Purge(ctx context.Context, route string, dead bool) (int, error) {
	return t.queues.Purge(ctx, route, dead)
}

// register is the store, or, where nothing is changed, one that knows nothing.
func (t *queueTool) register() contract.Register {
	if t.store != nil {
		return t.store
	}
	return contract.NoRegister{}
}
