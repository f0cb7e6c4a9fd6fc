package line

// Progress returns a function to be told the running total. It says "warm" and
// "done" when the total reaches those numbers for the first time, and returns
// false from the last event on. It is not safe for concurrent use.
func Progress(say *Writer, warm, events int64) func(total int64) bool {
	warmed, done := warm == 0, false
	return func(total int64) bool {
		if total >= warm && !warmed {
			warmed = true
			_ = say.Say(Message{Is: Warm}) // a conductor that is gone will not miss it
		}
		if total >= events && !done {
			done = true
			_ = say.Say(Message{Is: Done})
		}
		return !done
	}
}
