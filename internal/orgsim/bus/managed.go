package bus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Replay is where a managed subscription starts when it has no usable position.
type Replay string

// The words of ManagedEventSubscription metadata.
const (
	ReplayLatest   Replay = "LATEST"
	ReplayEarliest Replay = "EARLIEST"

	StateRun  = "RUN"
	StateStop = "STOP"
)

// ManagedSubscription is a ManagedEventSubscription: a subscription whose
// position the org keeps.
type ManagedSubscription struct {
	ID            salesforce.ID `json:"id"` // key prefix 18x
	DeveloperName string        `json:"developerName"`
	Label         string        `json:"label"`
	Topic         string        `json:"topicName"`
	DefaultReplay Replay        `json:"defaultReplay"`
	// ErrorRecovery is used when the committed position is no longer good.
	ErrorRecovery Replay `json:"errorRecoveryReplay"`
	State         string `json:"state"`
	// Committed is the last committed position, 0 for none.
	Committed Position `json:"committed"`
}

// ErrNoSubscription says that the org has no managed subscription of the name.
var ErrNoSubscription = errors.New("no such managed subscription")

const managedPrefix = "18x"

// DeclareManaged creates a managed subscription, or changes the one with the same
// developer name, whose committed position stays. It returns the result.
func (b *Bus) DeclareManaged(s ManagedSubscription) (ManagedSubscription, error) {
	if err := b.checkManaged(&s); err != nil {
		return ManagedSubscription{}, err
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if old, err := b.Managed(s.DeveloperName); err == nil {
		s.ID, s.Committed = old.ID, old.Committed
	} else {
		id, err := salesforce.ParseID(fmt.Sprintf("%s%012d", managedPrefix, len(b.ManagedSubscriptions())+1))
		if err != nil {
			return ManagedSubscription{}, fmt.Errorf("make subscription id: %w", err)
		}
		s.ID = id
	}
	return s, b.storeManaged(s)
}

func (b *Bus) checkManaged(s *ManagedSubscription) error {
	s.DefaultReplay = cmp.Or(s.DefaultReplay, ReplayLatest)
	s.ErrorRecovery = cmp.Or(s.ErrorRecovery, ReplayLatest)
	s.State = cmp.Or(s.State, StateRun)
	s.Label = cmp.Or(s.Label, s.DeveloperName)
	if s.DeveloperName == "" {
		return errors.New("declare managed subscription: developer name is missing")
	}
	for _, r := range []Replay{s.DefaultReplay, s.ErrorRecovery} {
		if r != ReplayLatest && r != ReplayEarliest {
			return fmt.Errorf("declare managed subscription %s: replay %q is neither LATEST nor EARLIEST", s.DeveloperName, r)
		}
	}
	if s.State != StateRun && s.State != StateStop {
		return fmt.Errorf("declare managed subscription %s: state %q is neither RUN nor STOP", s.DeveloperName, s.State)
	}
	if _, ok := b.Topic(s.Topic); !ok {
		return fmt.Errorf("declare managed subscription %s on %s: %w", s.DeveloperName, s.Topic, ErrNoTopic)
	}
	return nil
}

// storeManaged saves s and then shows it. The caller holds appending.
func (b *Bus) storeManaged(s ManagedSubscription) error {
	if err := b.file.saveManaged(&s); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.managed[s.ID] = &s
	return nil
}

// Managed finds a subscription by its id (15 or 18 characters) or developer name.
func (b *Bus) Managed(idOrName string) (ManagedSubscription, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if id, err := salesforce.ParseID(idOrName); err == nil {
		if s, ok := b.managed[id]; ok {
			return *s, nil
		}
	}
	for _, s := range b.managed {
		if s.DeveloperName == idOrName {
			return *s, nil
		}
	}
	return ManagedSubscription{}, ErrNoSubscription
}

// ManagedSubscriptions returns all of them by id.
func (b *Bus) ManagedSubscriptions() []ManagedSubscription {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]ManagedSubscription, 0, len(b.managed))
	for _, s := range b.managed {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(x, y ManagedSubscription) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// CommitManaged moves a subscription's position to p, which may also lie behind
// the one before: to commit an older event is how a consumer asks for it again.
func (b *Bus) CommitManaged(id salesforce.ID, p Position) error {
	s, err := b.Managed(string(id))
	if err != nil {
		return err
	}
	if err := b.Resolve(s.Topic, p); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	s.Committed = p
	return b.storeManaged(s)
}
