package cometd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// maxBody bounds a request: messages of clients are small.
	maxBody = 1 << 20
	// maxMessages bounds a batch.
	maxMessages = 1000
)

// message is a Bayeux message of a client. Fields of a wrong type are as if absent.
type message struct {
	channel, clientID, connectionType string
	id                                json.RawMessage // as it came: a string or a number
	connectionTypes                   []string
	subscription                      json.RawMessage
	timeout                           *float64 // advice.timeout in milliseconds
	replay                            map[string]json.RawMessage
}

// readMessages reads a request's array of messages; a single one without the
// brackets is also good.
func readMessages(w http.ResponseWriter, r *http.Request) ([]*message, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		body = append(append([]byte("["), body...), ']')
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errors.New("malformed Bayeux messages: want a JSON array of objects")
	}
	if len(list) > maxMessages {
		return nil, errors.New("too many Bayeux messages in one request")
	}
	messages := make([]*message, 0, len(list))
	for _, fields := range list {
		if fields == nil {
			return nil, errors.New("malformed Bayeux messages: null is no message")
		}
		messages = append(messages, newMessage(fields))
	}
	return messages, nil
}

func newMessage(fields map[string]json.RawMessage) *message {
	m := &message{id: idOf(fields["id"]), subscription: fields["subscription"]}
	get(fields["channel"], &m.channel)
	get(fields["clientId"], &m.clientID)
	get(fields["connectionType"], &m.connectionType)
	get(fields["supportedConnectionTypes"], &m.connectionTypes)
	var advice struct {
		Timeout *float64 `json:"timeout"`
	}
	get(fields["advice"], &advice)
	m.timeout = advice.Timeout
	var ext struct {
		Replay json.RawMessage `json:"replay"`
	}
	get(fields["ext"], &ext)
	get(ext.Replay, &m.replay)
	return m
}

// get reads a field into v, which stays as it was if the field is absent or of
// another type.
func get[T any](text json.RawMessage, v *T) {
	var read T
	if len(text) > 0 && json.Unmarshal(text, &read) == nil {
		*v = read
	}
}

// idOf keeps an id that is a string or a number, as it is spelled.
func idOf(text json.RawMessage) json.RawMessage {
	if len(text) > 0 && (text[0] == '"' || text[0] == '-' || text[0] >= '0' && text[0] <= '9') {
		return text
	}
	return nil
}

// subscriptions returns the channels of a subscribe or unsubscribe: one, or a list.
func (m *message) subscriptions() []string {
	var list []string
	get(m.subscription, &list)
	if list != nil {
		return list
	}
	var one string
	get(m.subscription, &one)
	if one == "" {
		return nil
	}
	return []string{one}
}
