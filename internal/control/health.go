package control

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Readiness is whether this process can do its job, and if not why.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
}

// storePatience bounds how long a store may take to answer a health check.
const storePatience = 3 * time.Second

// Ready reports whether the store can be used and no worker has failed. A route
// that is paused or a topic that cannot be read does not make the process
// unready: the others go on, and a restart would mend nothing.
func (s *Service) Ready(ctx context.Context) Readiness {
	out := Readiness{Reasons: []string{}}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	if err := s.config.Ping(ctx); err != nil {
		reason := "store: " + err.Error()
		if hint := event.HintOf(err); hint != "" {
			reason += " (" + hint + ")"
		}
		out.Reasons = append(out.Reasons, reason)
	}
	for _, w := range s.workers() {
		if w.State == WorkerFailed {
			out.Reasons = append(out.Reasons, w.Name+" has failed: "+w.Why)
		}
	}
	out.Ready = len(out.Reasons) == 0
	return out
}
