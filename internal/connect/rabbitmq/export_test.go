package rabbitmq

// What tests look at.
var (
	MessageOf = messageOf
	EventOf   = eventOf
)
