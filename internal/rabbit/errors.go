package rabbit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// What became of a message that was not published.
var (
	// ErrReturned: no queue is bound to where it was sent, so it is nowhere.
	ErrReturned = errors.New("no queue takes the message: nothing is bound to its exchange under its routing key")
	// ErrNacked: the broker refused it; a queue is full or not available.
	ErrNacked = errors.New("the broker refused the message")
	// ErrUnknown: the connection went before an answer came.
	ErrUnknown = errors.New("the connection was lost before the broker answered")
	// ErrHeld: an earlier message of the same call has failed, and this one keeps its order.
	ErrHeld = errors.New("not sent, because a message before it could not be published")
	// ErrStale: the channel that a delivery came on is gone; the message will come again.
	ErrStale = errors.New("the channel of the delivery is gone")
)

// refused wraps an error of something that did not happen and may be tried again.
func refused(op string, err error) error {
	return &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Transient, Hint: "check that the broker runs and can be reached", Err: err}
}

// certificateHint is what to do about a broker's certificate that does not convince.
func certificateHint(err error) string {
	if _, name := errors.AsType[x509.HostnameError](err); name {
		return "let rabbitmq.url say the host name that is in the broker's certificate"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "renew the broker's certificate, or set this machine's clock"
	}
	return "name the authority that signed the broker's certificate in rabbitmq.ca_file"
}

// explain gives an error of the library its three answers. Nil stays nil.
func explain(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, unsure := errors.AsType[*tls.CertificateVerificationError](err); unsure {
		return &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Transient, Hint: certificateHint(err), Err: err}
	}
	var e *amqp.Error
	if !errors.As(err, &e) {
		return refused(op, err)
	}
	if e == nil {
		return refused(op, errors.New("the connection was closed"))
	}
	out := &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Transient, Err: fmt.Errorf("the broker said %d: %s", e.Code, e.Reason)}
	switch e.Code {
	case amqp.AccessRefused:
		out.Healing, out.Hint = event.Permanent, "check user, password and the user's permissions on the virtual host (docs/queues.md lists what is needed)"
	case amqp.NotAllowed:
		out.Healing, out.Hint = event.Permanent, "check that the virtual host exists and that the user may enter it"
	case amqp.NotFound:
		out.Healing, out.Hint = event.Permanent, "check the name; declare it if it is yours to declare"
	case amqp.PreconditionFailed:
		out.Healing, out.Hint = event.Permanent, "it exists with other settings; see docs/queues.md on mismatches"
	case amqp.ResourceLocked:
		out.Hint = "somebody else holds it exclusively"
	default:
		out.Hint = "check that the broker runs and can be reached"
	}
	return out
}
