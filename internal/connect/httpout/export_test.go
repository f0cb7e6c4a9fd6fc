package httpout

// What fuzzing wants to reach without a request for each try.
var (
	ParseItems  = parseItems
	AppendBatch = appendBatch
)
