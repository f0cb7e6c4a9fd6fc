package cometd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The meta channels of Bayeux.
const (
	metaHandshake   = "/meta/handshake"
	metaConnect     = "/meta/connect"
	metaSubscribe   = "/meta/subscribe"
	metaUnsubscribe = "/meta/unsubscribe"
	metaDisconnect  = "/meta/disconnect"
)

const longPolling = "long-polling"

// request is a message to the server.
type request struct {
	Channel                  string   `json:"channel"`
	ID                       string   `json:"id"`
	ClientID                 string   `json:"clientId,omitempty"`
	Version                  string   `json:"version,omitempty"`
	MinimumVersion           string   `json:"minimumVersion,omitempty"`
	SupportedConnectionTypes []string `json:"supportedConnectionTypes,omitempty"`
	ConnectionType           string   `json:"connectionType,omitempty"`
	Subscription             string   `json:"subscription,omitempty"`
	Ext                      any      `json:"ext,omitempty"`
	Advice                   *hurry   `json:"advice,omitempty"`
}

// hurry asks the server to answer a connect at once and not to hold it.
type hurry struct {
	Timeout int `json:"timeout"`
}

// message is one element of an answer: the reply to a request, or an event.
type message struct {
	Channel    string          `json:"channel"`
	ID         looseID         `json:"id"`
	ClientID   string          `json:"clientId"`
	Successful bool            `json:"successful"`
	Error      string          `json:"error"`
	Advice     *advice         `json:"advice"`
	Ext        json.RawMessage `json:"ext"`
	Data       json.RawMessage `json:"data"`
	Types      []string        `json:"supportedConnectionTypes"`
}

// looseID takes an id that is a string or a number: servers repeat ours, but
// the samples of the guide have both.
type looseID string

// UnmarshalJSON reads a string, a number or null.
func (id *looseID) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err == nil {
		*id = looseID(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return errors.New("message id is neither text nor number")
	}
	*id = looseID(n)
	return nil
}

// advice is what the server wants of the client; what it leaves out stays as it was.
type advice struct {
	Reconnect string   `json:"reconnect"`
	Interval  *float64 `json:"interval"`
	Timeout   *float64 `json:"timeout"`
}

const (
	adviseHandshake = "handshake"
	adviseNone      = "none"
	maxInterval     = time.Minute
	maxTimeout      = 10 * time.Minute
)

// millis reads a time of an advice, bounded, because a server that advises to
// come back tomorrow has forgotten the client by then.
func millis(v *float64, most time.Duration) (time.Duration, bool) {
	if v == nil || !(*v >= 0) {
		return 0, false
	}
	if *v >= float64(most/time.Millisecond) {
		return most, true
	}
	return time.Duration(*v * float64(time.Millisecond)), true
}

// extension is what replies say in ext.
type extension struct {
	Replay json.RawMessage `json:"replay"`
	SFDC   struct {
		FailureReason string `json:"failureReason"`
	} `json:"sfdc"`
}

// extension reads ext as far as it is understood.
func (m *message) extension() extension {
	var e extension
	if len(m.Ext) > 0 {
		_ = json.Unmarshal(m.Ext, &e) // what is not understood is not there
	}
	return e
}

func (m *message) isMeta() bool { return len(m.Channel) > 6 && m.Channel[:6] == "/meta/" }

var (
	errTooLarge = errors.New("the answer is larger than the limit")
	errNoArray  = errors.New("the answer is no array of messages")
)

// capped is a reader that fails, not ends, after so many bytes.
type capped struct {
	r    io.Reader
	left int64
}

// Read reads at most what is left.
func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLarge
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// decodeMessages reads an answer and hands over one message after the other, so
// that an answer is never held whole. It fails on an answer that is not complete,
// after handing over the messages that were. An error of each ends it.
func decodeMessages(r io.Reader, each func(*message) error) error {
	buffered := bufio.NewReader(r)
	first, err := firstByte(buffered)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(buffered)
	if first == '{' { // Bayeux allows one message without its array
		return decodeMessage(dec, each)
	}
	if _, err := dec.Token(); err != nil || first != '[' {
		return errNoArray
	}
	for dec.More() {
		if err := decodeMessage(dec, each); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return incomplete(err)
	}
	return nil
}

func decodeMessage(dec *json.Decoder, each func(*message) error) error {
	var m message
	if err := dec.Decode(&m); err != nil {
		return incomplete(err)
	}
	return each(&m)
}

// incomplete makes an error of the decoder one that never quotes the answer.
func incomplete(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer ends early: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, errTooLarge):
		return errTooLarge
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errNoArray
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errNoArray
	}
	return err
}

func firstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, incomplete(err)
		}
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b, r.UnreadByte()
		}
	}
}
