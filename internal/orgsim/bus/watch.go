package bus

// Watcher is told when one of several topics gets events: for a server that waits
// on a set of topics that changes while it waits. Make one with [Bus.Watch].
type Watcher struct {
	// C receives a value after events have come, or after [Watcher.Nudge]; several
	// of them may be told as one, so whoever receives looks at every topic.
	C <-chan struct{}

	c      chan struct{}
	bus    *Bus
	topics map[string]bool // guarded by Bus.mu
}

// Watch returns a watcher of no topics. The caller closes it.
func (b *Bus) Watch() *Watcher {
	c := make(chan struct{}, 1)
	return &Watcher{C: c, c: c, bus: b, topics: make(map[string]bool)}
}

// Add makes the watcher watch a topic, which must be there, and nudges it: events
// may have come before.
func (w *Watcher) Add(topic string) {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	if log, ok := w.bus.topics[topic]; ok {
		log.watchers[w] = true
		w.topics[topic] = true
	}
	w.Nudge()
}

// Remove makes the watcher forget a topic.
func (w *Watcher) Remove(topic string) {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	w.removeLocked(topic)
}

func (w *Watcher) removeLocked(topic string) {
	if log, ok := w.bus.topics[topic]; ok {
		delete(log.watchers, w)
	}
	delete(w.topics, topic)
}

// Nudge wakes whoever waits on C.
func (w *Watcher) Nudge() {
	select {
	case w.c <- struct{}{}:
	default: // already told
	}
}

// Close makes the watcher forget every topic.
func (w *Watcher) Close() {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	for topic := range w.topics {
		w.removeLocked(topic)
	}
}
