package watch

import "time"

// Severity is how bad an alarm is.
type Severity string

// The severities.
const (
	// Fine: no alarm.
	Fine Severity = ""
	// Warning: somebody should look at it in working hours.
	Warning Severity = "warning"
	// Critical: something is being lost, or soon will be.
	Critical Severity = "critical"
)

func (s Severity) rank() int {
	switch s {
	case Warning:
		return 1
	case Critical:
		return 2
	case Fine:
	}
	return 0
}

// Worse reports whether s is worse than other.
func (s Severity) Worse(other Severity) bool { return s.rank() > other.rank() }

// Alarm is something that people must know.
type Alarm struct {
	// ID is the rule and the subject, the same each time: "window/%2Fevent%2FA__e".
	ID string `json:"id"`
	// Rule is which one: see [Rule].
	Rule Rule `json:"rule"`
	// Subject is what it is about: a topic, a route, a worker, an allowance.
	Subject  string   `json:"subject"`
	Severity Severity `json:"severity"`
	// Since is when it began, at the latest.
	Since time.Time `json:"since"`
	// What is one line for people, Hint their next step.
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
	// Told is when the target last took a notice of it; zero if it has not.
	Told time.Time `json:"told,omitzero"`
}

// Rule names what an alarm is about.
type Rule string

// The rules.
const (
	// RuleWindow: the position that is stored of a topic soon expires.
	RuleWindow Rule = "window"
	// RuleSilence: a topic's source gives no sign of life.
	RuleSilence Rule = "silence"
	// RuleTopic: a topic cannot be read without a person.
	RuleTopic Rule = "topic-failed"
	// RuleLag: a topic's events are stored late.
	RuleLag Rule = "lag"
	// RuleGap: a hole in a topic's stream stays open, or was lost.
	RuleGap Rule = "gap"
	// RulePaused: a route waits for its application.
	RulePaused Rule = "route-paused"
	// RuleDead: a route has dead letters.
	RuleDead Rule = "dead-letters"
	// RuleWaiting: a route's oldest event has waited for long.
	RuleWaiting Rule = "waiting"
	// RuleWorker: a part of the process has failed for good.
	RuleWorker Rule = "worker-failed"
	// RuleBroker: a node of the broker has raised an alarm, or the broker takes no messages.
	RuleBroker Rule = "broker"
	// RuleAllowance: one of the org's allowances is nearly used up.
	RuleAllowance Rule = "allowance"
	// RuleForecast: one of them will be used up soon at the present pace.
	RuleForecast Rule = "forecast"
)

// Rules lists all rules.
func Rules() []Rule {
	return []Rule{RuleWindow, RuleSilence, RuleTopic, RuleLag, RuleGap, RulePaused, RuleDead, RuleWaiting, RuleWorker, RuleAllowance, RuleForecast}
}
