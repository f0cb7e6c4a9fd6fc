package rabbit

import (
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Message is what is sent and received. Headers hold strings, booleans,
// integers, times, lists and maps of them.
type Message struct {
	ID          string
	Type        string
	ContentType string
	AppID       string
	Timestamp   time.Time
	Headers     map[string]any
	Body        []byte
}

// Publication is a message with where it goes.
type Publication struct {
	Exchange string
	Key      string
	// Order, unless it is 0, keeps publications of one call with equal Order in
	// their order: none is sent after one of them has failed.
	Order uint32
	Message
}

// Delivery is a message that a queue has handed out.
type Delivery struct {
	Message
	Exchange string
	Key      string
	// Redelivered says that it was handed out before; Count how often, where the
	// queue counts (quorum queues do).
	Redelivered bool
	Count       int64

	tag uint64
	gen int64
}

// Generation tells deliveries of a channel from those of its successor.
func (d *Delivery) Generation() int64 { return d.gen }

func (m *Message) publishing() amqp.Publishing {
	return amqp.Publishing{
		MessageId: m.ID, Type: m.Type, ContentType: m.ContentType, AppId: m.AppID, Timestamp: m.Timestamp,
		Headers: m.Headers, Body: m.Body, DeliveryMode: amqp.Persistent,
	}
}

func received(d *amqp.Delivery, gen int64) Delivery {
	out := Delivery{
		Message: Message{
			ID: d.MessageId, Type: d.Type, ContentType: d.ContentType, AppID: d.AppId, Timestamp: d.Timestamp,
			Headers: d.Headers, Body: d.Body,
		},
		Exchange: d.Exchange, Key: d.RoutingKey, Redelivered: d.Redelivered, tag: d.DeliveryTag, gen: gen,
	}
	out.Count = Int(d.Headers, "x-delivery-count")
	return out
}

// Int reads an integer header of whatever width it was sent in; 0 if it is none.
func Int(headers map[string]any, name string) int64 {
	switch v := headers[name].(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	case int8:
		return int64(v)
	case int:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	}
	return 0
}

// Text reads a text header; "" if it is none.
func Text(headers map[string]any, name string) string {
	s, _ := headers[name].(string)
	return s
}
