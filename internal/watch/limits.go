package watch

import (
	"errors"
	"fmt"
	"time"
)

// Limit is from where on something is an alarm, by severity; 0 is never.
type Limit[T ~int | ~int64] struct{ Warning, Critical T }

// Limits are the thresholds of all rules. What is 0 raises no alarm.
type Limits struct {
	// Window: the stored position stays good for less than this.
	Window Limit[time.Duration]
	// Silence: a source that is being read has been silent for so long. The Pub/Sub API
	// sends a keep-alive at least every 270 s.
	Silence Limit[time.Duration]
	// Lag: events are stored so long after they were published.
	Lag Limit[time.Duration]
	// Gap: a hole has been open for so long. A lost one is critical in any case.
	Gap Limit[time.Duration]
	// Paused: a route has waited for its application for so long.
	Paused Limit[time.Duration]
	// Waiting: the oldest waiting event has waited for so long.
	Waiting Limit[time.Duration]
	// Dead: a route has so many dead letters.
	Dead Limit[int64]
	// Used: so many percent of an allowance are used.
	Used Limit[int64]
	// RunsOut: an allowance is used up in less than this at the present pace.
	RunsOut Limit[time.Duration]
}

// DefaultLimits are those that a gateway uses unless told otherwise.
func DefaultLimits() Limits {
	return Limits{
		Window:  Limit[time.Duration]{24 * time.Hour, 6 * time.Hour},
		Silence: Limit[time.Duration]{10 * time.Minute, 30 * time.Minute},
		Lag:     Limit[time.Duration]{30 * time.Minute, 12 * time.Hour},
		Gap:     Limit[time.Duration]{time.Hour, 24 * time.Hour},
		Paused:  Limit[time.Duration]{10 * time.Minute, time.Hour},
		Waiting: Limit[time.Duration]{time.Hour, 12 * time.Hour},
		Dead:    Limit[int64]{1, 1000},
		Used:    Limit[int64]{80, 95},
		RunsOut: Limit[time.Duration]{4 * time.Hour, time.Hour},
	}
}

// Validate reports limits of which the critical one would come first.
func (l Limits) Validate() error {
	return errors.Join(
		l.Window.falling("window"), l.Silence.rising("silence"), l.Lag.rising("lag"), l.Gap.rising("gap"), l.Paused.rising("paused"),
		l.Waiting.rising("waiting"), l.Dead.rising("dead letters"), l.Used.rising("used"), l.RunsOut.falling("runs out"),
	)
}

func (l Limit[T]) rising(name string) error {
	if l.Warning < 0 || l.Critical < 0 || l.Critical != 0 && l.Critical < l.Warning {
		return fmt.Errorf("alarm limit %s: the critical one comes before the warning", name)
	}
	return nil
}

func (l Limit[T]) falling(name string) error {
	if l.Warning < 0 || l.Critical < 0 || l.Warning != 0 && l.Critical > l.Warning {
		return fmt.Errorf("alarm limit %s: the critical one comes before the warning", name)
	}
	return nil
}
