package pubsub

// What the tests of JSON writing reach for.
var (
	AppendString   = appendString
	AppendNumber   = appendNumber
	AppendDateTime = appendDateTime
	AppendDateOnly = appendDateOnly
	AppendTimeOnly = appendTimeOnly
)
