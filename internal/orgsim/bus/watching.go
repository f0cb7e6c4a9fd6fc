package bus

// Watching returns the number of watchers of a topic: the Streaming API's clients.
func (b *Bus) Watching(topic string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if log, ok := b.topics[topic]; ok {
		return len(log.watchers)
	}
	return 0
}
