package config

// ConsumerApp is the [Queue.Consumer] of a route whose application reads the
// queue itself.
const ConsumerApp = "app"

// Native reports whether the application reads the route's queue itself.
func (r Route) Native() bool { return r.Waits == WaitsRabbitMQ && r.Queue.Consumer == ConsumerApp }

// nativeUnused are the keys that only say how the gateway delivers.
var nativeUnused = []string{"to", "filter", "transform", "concurrency", "breaker", "reply", "retry.attempts", "retry.first", "retry.max_age", "queue.prefetch"}

// checkNative holds a route against its application reading the queue itself.
func (d *decoder) checkNative(path string, r Route) {
	if !r.Native() {
		return
	}
	for _, key := range nativeUnused {
		if d.isSet(path + "." + key) {
			d.wrong(path+"."+key, "is not used by a route whose application reads the queue itself", "remove it, or queue.consumer: app")
		}
	}
	if mode, _, _ := parseAnswer(r.Callout.Answer); r.Arrives == ArrivesCallout && mode != AnswerAccept && mode != "" {
		d.wrong(path+".callout.answer", "is "+r.Callout.Answer+", but nobody hears what becomes of an event that the application reads itself", "answer: accept")
	}
}
