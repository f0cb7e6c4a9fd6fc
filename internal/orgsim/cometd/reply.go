package cometd

import "encoding/json"

// The channels of the protocol.
const (
	metaHandshake   = "/meta/handshake"
	metaConnect     = "/meta/connect"
	metaSubscribe   = "/meta/subscribe"
	metaUnsubscribe = "/meta/unsubscribe"
	metaDisconnect  = "/meta/disconnect"

	longPolling = "long-polling"
)

// The errors of the Streaming API, in its words.
const (
	errUnauthenticated = "401::Authentication invalid"
	errNoAuth          = "401::Request requires authentication"
	errDenied          = "403::Handshake denied"
	errUnknownClient   = "403::Unknown client"
	errDailyLimit      = "403::Organization total events daily limit exceeded"
	errClientLimit     = "403::Organization concurrent user limit exceeded"
	errPublishDenied   = "403:denied_by_security_policy:publish_denied"
	errNoVersion       = "400::API version in the URI is mandatory. URI format: '/cometd/67.0'"
	errVersion         = "400::Unsupported API version. Only API versions '37.0' and later are supported. URI format: '/cometd/67.0'"
	errConnectionType  = "400::Invalid connection type {%s}"
	errNoChannel       = "400::The channel you requested to subscribe to doesn't exist {%s}"
	errNoName          = "400::Channel name not specified"
	errNoSlash         = "400::Channel subscriptions must start with a leading '/'"
	errNoField         = "400::Query fields {%s} do not exist on the topic entity"
	errNoCookie        = "400::Client %s has established a session, but no %s cookie present"
	errReplayID        = "400::The replayId {%s} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events."
	errTooBusy         = "503::Server is too busy.  Please try your request again later."
	errUnknownMeta     = "404::unknown_meta"
)

// reply is the answer to one message.
type reply struct {
	Ext                      json.RawMessage `json:"ext,omitempty"`
	MinimumVersion           string          `json:"minimumVersion,omitempty"`
	ClientID                 string          `json:"clientId,omitempty"`
	SupportedConnectionTypes []string        `json:"supportedConnectionTypes,omitempty"`
	Advice                   json.RawMessage `json:"advice,omitempty"`
	Channel                  string          `json:"channel"`
	ID                       json.RawMessage `json:"id,omitempty"`
	Version                  string          `json:"version,omitempty"`
	Subscription             json.RawMessage `json:"subscription,omitempty"`
	Error                    string          `json:"error,omitempty"`
	Successful               bool            `json:"successful"`
}

// What the server advises, and says of itself at a handshake.
var (
	adviseNone      = json.RawMessage(`{"reconnect":"none"}`)
	adviseStop      = json.RawMessage(`{"reconnect":"none","interval":0}`)
	adviseHandshake = json.RawMessage(`{"interval":0,"reconnect":"handshake"}`)
	extHandshake    = json.RawMessage(`{"replay":true,"payload.format":true}`)
	extDenied       = json.RawMessage(`{"sfdc":{"failureReason":"401::Authentication invalid"},"replay":true}`)
	extTooBusy      = json.RawMessage(`{"sfdc":{"failureReason":"` + errTooBusy + `"},"replay":true}`)
)

// to begins the answer to m.
func to(m *message) reply {
	return reply{Channel: m.channel, ID: m.id}
}

func success(m *message, clientID string) reply {
	r := to(m)
	r.ClientID, r.Successful = clientID, true
	return r
}

func refusal(m *message, text string, advice json.RawMessage) reply {
	r := to(m)
	r.Error, r.Advice = text, advice
	return r
}

func unknownClient(m *message) reply { return refusal(m, errUnknownClient, adviseHandshake) }

// unauthenticated is how a session that is no longer good shows on a known client.
func unauthenticated(m *message) reply {
	r := refusal(m, errUnauthenticated, adviseStop)
	r.ClientID = m.clientID
	return r
}
