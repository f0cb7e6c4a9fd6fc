package bus

import (
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// legacyRetention is how long events of PushTopics and generic channels are kept.
const legacyRetention = 24 * time.Hour

// The kinds of things that are declared while the org runs.
const (
	kindPushTopic = "PushTopic"
	kindGeneric   = "StreamingChannel"
	kindChannel   = "PlatformEventChannel"
	kindMember    = "PlatformEventChannelMember"
)

// declarations is what was declared while the org ran, by id. Guarded by Bus.mu;
// what the maps point at is immutable.
type declarations struct {
	pushTopics map[salesforce.ID]*pushTopic
	generic    map[salesforce.ID]*StreamingChannel
	channels   map[salesforce.ID]*Channel
	members    map[salesforce.ID]*Member
}

func newDeclarations() declarations {
	return declarations{
		pushTopics: make(map[salesforce.ID]*pushTopic), generic: make(map[salesforce.ID]*StreamingChannel),
		channels: make(map[salesforce.ID]*Channel), members: make(map[salesforce.ID]*Member),
	}
}

// newID returns an id that nothing in the taken set has. The caller holds appending.
func newID[T any](prefix string, taken map[salesforce.ID]T) (salesforce.ID, error) {
	for n := len(taken) + 1; ; n++ {
		id, err := salesforce.ParseID(fmt.Sprintf("%sSp%010d", prefix, n))
		if err != nil {
			return "", fmt.Errorf("make id: %w", err)
		}
		if _, used := taken[id]; !used {
			return id, nil
		}
	}
}

// refuse returns a refusal in the org's form, for the REST resources that declare.
func refuse(code string, fields []string, format string, args ...any) error {
	if fields == nil {
		fields = []string{}
	}
	return &record.Error{Code: code, Message: fmt.Sprintf(format, args...), Fields: fields}
}

func (f *file) saveDeclared(kind string, id salesforce.ID, v any) error {
	if f == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	return f.exec("INSERT OR REPLACE INTO declared VALUES (?, ?, ?)", kind, string(id), string(text))
}

func (f *file) deleteDeclared(kind string, id salesforce.ID) error {
	if f == nil {
		return nil
	}
	return f.exec("DELETE FROM declared WHERE kind = ? AND id = ?", kind, string(id))
}

// loadDeclared takes over one thing that an earlier run declared. What no longer
// fits the org's objects is left out and logged.
func (b *Bus) loadDeclared(row *sqlite.Stmt) error {
	kind, text := row.ColumnText(0), []byte(row.ColumnText(1))
	var err error
	switch kind {
	case kindPushTopic:
		err = loadOne(text, b.showPushTopic)
	case kindGeneric:
		err = loadOne(text, b.showGeneric)
	case kindChannel:
		err = loadOne(text, b.showChannel)
	case kindMember:
		err = loadOne(text, b.showMember)
	}
	if err != nil {
		b.cfg.Logger.Warn("leave out what was declared", "kind", kind, "error", err)
	}
	return nil
}

func loadOne[T any](text []byte, show func(T) error) error {
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("read declaration: %w", err)
	}
	return show(v)
}

// putTopicLocked makes a topic, or changes what is known of it; events stay.
func (b *Bus) putTopicLocked(t Topic, streaming bool) {
	log, ok := b.topics[t.Name]
	if !ok {
		log = newTopicLog(t)
		b.topics[t.Name] = log
	}
	log.Topic, log.streaming = t, streaming
}

// dropTopicLocked forgets a topic and its events. Whoever watches it hears no more.
func (b *Bus) dropTopicLocked(name string) {
	if log, ok := b.topics[name]; ok {
		log.notify()
		delete(b.topics, name)
	}
}
