// Command go reads a Sallyport route's queue with amqp091-go. The contract is
// docs/native-consumers.md.
//
//	AMQP_URL     the broker, with the application's own user
//	QUEUE        the route's queue, such as sallyport.orders
//	RETRY_WAITS  the route's retry queues, such as 1,4,16,64; empty for a route that keeps an order
//	ATTEMPTS     how often an event is tried before it becomes a dead letter (8)
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errRefused: the event can never be taken.
var errRefused = errors.New("refused by the application")

// event is what a message says.
type event struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	Data    struct {
		N      int  `json:"n"`
		Fail   int  `json:"fail,omitempty"`
		Refuse bool `json:"refuse,omitempty"`
	} `json:"data"`
}

// handle is where the application takes an event. This one prints it. So that the
// rest can be seen, {"fail": 2} fails twice and {"refuse": true} is never taken.
func handle(e *event) error {
	switch {
	case e.Data.Refuse:
		return errRefused
	case e.Data.Fail >= e.Attempt:
		return errors.New("the application is not ready for it")
	}
	return json.NewEncoder(os.Stdout).Encode(e)
}

// consumer takes what a queue hands out, one at a time.
type consumer struct {
	url, queue, exchange string
	waits                []string
	attempts             int
	// taken is what was taken before. An event may come twice; keep its id in the application's
	// database, in the transaction that does the work, to know that across restarts.
	taken map[string]bool

	ch       *amqp.Channel
	returned chan amqp.Return
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c := &consumer{
		url: setting("AMQP_URL", "amqp://localhost"), queue: setting("QUEUE", "sallyport.orders"), taken: map[string]bool{},
		waits: strings.FieldsFunc(setting("RETRY_WAITS", "1,4,16,64"), func(r rune) bool { return r == ',' }),
	}
	c.exchange, _, _ = strings.Cut(c.queue, ".")
	var err error
	if c.attempts, err = strconv.Atoi(setting("ATTEMPTS", "8")); err != nil {
		log.Fatalf("ATTEMPTS: %v", err)
	}
	for fails := 0; ctx.Err() == nil; fails++ {
		began := time.Now()
		if err := c.session(ctx); err != nil {
			log.Print(err)
		}
		if time.Since(began) > 10*time.Second {
			fails = 0
		}
		select {
		case <-time.After(min(200*time.Millisecond<<min(fails, 6), 10*time.Second)):
		case <-ctx.Done():
		}
	}
}

func setting(name, otherwise string) string {
	if v, given := os.LookupEnv(name); given {
		return v
	}
	return otherwise
}

// session consumes until the connection is lost, or until ctx is done. What is not
// acknowledged then goes back to the queue.
func (c *consumer) session(ctx context.Context) error {
	conn, err := amqp.DialConfig(c.url, amqp.Config{Properties: amqp.Table{"connection_name": c.queue + " consumer"}})
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.ch, err = conn.Channel(); err != nil {
		return err
	}
	prefetch := 10
	if len(c.waits) == 0 {
		prefetch = 1
	}
	if err := errors.Join(c.ch.Confirm(false), c.ch.Qos(prefetch, 0, false)); err != nil {
		return err
	}
	c.returned = c.ch.NotifyReturn(make(chan amqp.Return, 1))
	deliveries, err := c.ch.Consume(c.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				return errors.New("the connection was lost")
			}
			if err := c.take(ctx, &d); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *consumer) take(ctx context.Context, d *amqp.Delivery) error {
	e := event{ID: d.MessageId, Type: d.Type, Attempt: 1}
	e.Key, _ = d.Headers["cloudEvents:partitionkey"].(string)
	if n, err := strconv.Atoi(fmt.Sprint(d.Headers["x-sallyport-attempts"])); err == nil {
		e.Attempt = n + 1 // whatever width it was sent in
	}
	if err := json.Unmarshal(d.Body, &e.Data); err != nil {
		return errors.Join(c.bury(ctx, d, &e, err), d.Ack(false))
	}
	for !c.taken[e.ID] {
		err := handle(&e)
		if err == nil {
			c.taken[e.ID] = true
			break
		}
		if errors.Is(err, errRefused) || e.Attempt >= c.attempts {
			err = c.bury(ctx, d, &e, err)
		} else if len(c.waits) > 0 {
			wait := c.waits[min(e.Attempt, len(c.waits))-1]
			err = c.move(ctx, d, c.queue+".retry."+wait, amqp.Table{"x-sallyport-attempts": int64(e.Attempt)})
		} else {
			// The route keeps an order: nothing may overtake the event, so it waits here.
			select {
			case <-time.After(min(time.Second<<min(e.Attempt, 6), time.Minute)):
			case <-ctx.Done():
				return nil
			}
			e.Attempt++
			continue
		}
		if err != nil {
			return err // not acknowledged: it comes again
		}
		break
	}
	return d.Ack(false)
}

func (c *consumer) bury(ctx context.Context, d *amqp.Delivery, e *event, why error) error {
	history, _ := d.Headers["x-sallyport-history"].([]any)
	now := time.Now().UTC()
	return c.move(ctx, d, c.queue+".dead", amqp.Table{
		"x-sallyport-attempts": int64(e.Attempt), "x-sallyport-reason": why.Error(), "x-sallyport-died": now.UnixMilli(),
		"x-sallyport-history": append(history, fmt.Sprintf("%s attempt %d: %v", now.Format(time.RFC3339), e.Attempt, why)),
	})
}

// move publishes a message again, to a retry queue or the dead letters. It returns
// when the broker has it. Only then may the message be acknowledged.
func (c *consumer) move(ctx context.Context, d *amqp.Delivery, to string, more amqp.Table) error {
	headers := amqp.Table{}
	for name, v := range d.Headers {
		if strings.HasPrefix(name, "cloudEvents:") || strings.HasPrefix(name, "x-sallyport-") {
			headers[name] = v
		}
	}
	for name, v := range more {
		headers[name] = v
	}
	confirm, err := c.ch.PublishWithDeferredConfirmWithContext(ctx, c.exchange, to, true, false, amqp.Publishing{
		Headers: headers, MessageId: d.MessageId, Type: d.Type, ContentType: d.ContentType, AppId: d.AppId, Timestamp: d.Timestamp,
		DeliveryMode: amqp.Persistent, Body: d.Body,
	})
	if err != nil {
		return err
	}
	if acked, err := confirm.WaitContext(ctx); err != nil || !acked {
		return errors.Join(err, fmt.Errorf("the broker did not confirm a message to %s", to))
	}
	select {
	case <-c.returned:
		return fmt.Errorf("there is no queue %s", to)
	default:
		return nil
	}
}
