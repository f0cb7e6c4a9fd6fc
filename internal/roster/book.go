package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Book is where what the org said is written down, for all processes on a store.
type Book interface {
	// Read returns what was written last, and how long ago by the store's clock; nil
	// if nothing was.
	Read(ctx context.Context) (body []byte, age time.Duration, err error)
	// Write replaces it.
	Write(ctx context.Context, body []byte) error
}

// page is the book's content. Listings are numbered from 1.
type page struct {
	// Listing is the number of the last one.
	Listing int64 `json:"listing"`
	// Patterns says by which listing each pattern was first looked for.
	Patterns map[string]int64 `json:"patterns"`
	// Channels says by which listing each channel of the org was first found, or found
	// again; those of the last listing, whether a pattern wants them or not: another
	// process may have other patterns.
	Channels map[string]int64 `json:"channels"`
	// listed is when that was, by this process's clock.
	listed time.Time
}

func (r *Roster) read(ctx context.Context) (page, error) {
	body, age, err := r.deps.Book.Read(ctx)
	if err != nil {
		return page{}, fmt.Errorf("read the list of channels: %w", err)
	}
	var p page
	if body == nil {
		return p, nil
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return page{}, fmt.Errorf("read the list of channels: %w", err)
	}
	p.listed = time.Now().Add(-age)
	return p, nil
}

func (r *Roster) write(ctx context.Context, p page) error {
	body, err := json.Marshal(p)
	if err == nil {
		err = r.deps.Book.Write(ctx, body)
	}
	if err != nil {
		return fmt.Errorf("write the list of channels: %w", err)
	}
	return nil
}

// turn returns the page after one more listing.
func (p page) turn(found []salesforce.Topic, patterns []salesforce.TopicPattern) page {
	next := page{Listing: p.Listing + 1, Patterns: map[string]int64{}, Channels: map[string]int64{}, listed: time.Now()}
	maps.Copy(next.Patterns, p.Patterns) // those of other processes, and of settings to come back
	for _, pattern := range patterns {
		if _, known := next.Patterns[pattern.String()]; !known {
			next.Patterns[pattern.String()] = next.Listing
		}
	}
	for _, topic := range found {
		number, known := p.Channels[topic.String()]
		if !known {
			number = next.Listing
		}
		next.Channels[topic.String()] = number
	}
	return next
}

// knows reports whether all patterns have been looked for.
func (p page) knows(patterns []salesforce.TopicPattern) bool {
	return !slices.ContainsFunc(patterns, func(pattern salesforce.TopicPattern) bool {
		_, known := p.Patterns[pattern.String()]
		return !known
	})
}

// channels returns the channels that patterns stand for, by topic. A pattern that
// was not looked for yet stands for none: nobody could say which of them are new.
func (p page) channels(patterns []salesforce.TopicPattern) []Channel {
	var all []Channel
	for name, found := range p.Channels {
		topic, err := salesforce.ParseTopic(name)
		if err != nil {
			continue // of a later version, which knows more topics
		}
		wanted, appeared := false, false
		for _, pattern := range patterns {
			first, known := p.Patterns[pattern.String()]
			if known && pattern.Match(topic) {
				wanted, appeared = true, appeared || found > first
			}
		}
		if wanted {
			all = append(all, Channel{Topic: topic, Appeared: appeared})
		}
	}
	slices.SortFunc(all, func(a, b Channel) int { return strings.Compare(a.Topic.String(), b.Topic.String()) })
	return all
}
