package rabbitqueue

import (
	"sync"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// acceptances are confirmed messages that are not in the audit trail yet. They get
// there with the next posting: a process that is killed before loses these entries,
// not the messages.
type acceptances struct {
	mu  sync.Mutex
	all []contract.Acceptance
}

func (a *acceptances) add(some ...contract.Acceptance) {
	if len(some) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, some...)
}

func (a *acceptances) take() []contract.Acceptance {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.all
	a.all = nil
	return all
}
