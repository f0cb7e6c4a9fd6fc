package config

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Alarms is what an operator is told of, and where. A limit of zero is off.
type Alarms struct {
	URL       URL                      `yaml:"url" type:"endpoint" default:"" sample:"https://ops.example/hooks/sallyport" doc:"Where a notice is posted when an alarm begins, gets worse, goes on and ends: a CloudEvent whose body has a line of text (which chat webhooks show) and the alarm. Without it alarms are shown only: in status, in alarms and in the metrics. Credentials in the address are refused: send those as headers."`
	Secrets   []secret.String          `yaml:"secrets" type:"signing" max:"2" sample:"[\"${ALARM_SECRET}\"]" doc:"Secrets that sign every notice (Standard Webhooks), as for routes.<route>.to.secrets."`
	Headers   map[string]secret.String `yaml:"headers" name:"header" sample:"{Authorization: \"Bearer ${OPS_TOKEN}\"}" doc:"Headers added to every notice. Their values are treated as secrets."`
	AllowHTTP bool                     `yaml:"allow_http" default:"false" doc:"Allow a url with http: to a host other than this machine."`
	Timeout   time.Duration            `yaml:"timeout" default:"10s" min:"1ms" max:"1m" doc:"How long the target may take to answer. A notice that it does not take is sent again, after at most 5 minutes, until it is taken or void."`
	Every     time.Duration            `yaml:"every" default:"15s" min:"1s" max:"5m" doc:"How often everything is judged."`
	Settle    time.Duration            `yaml:"settle" default:"1m" off:"at once" doc:"How long all must have been well before an alarm ends."`
	Repeat    time.Duration            `yaml:"repeat" default:"4h" min:"1m" off:"never" doc:"How often a notice of an alarm that goes on is repeated."`

	WindowWarning   time.Duration `yaml:"window_warning" default:"24h" off:"no alarm" doc:"A topic's stored position expires in less than this: what the org keeps of the stream will then be lost."`
	WindowCritical  time.Duration `yaml:"window_critical" default:"6h" off:"no alarm" doc:"The same, critical."`
	SilenceWarning  time.Duration `yaml:"silence_warning" default:"10m" off:"no alarm" doc:"A topic's source has given no sign of life for so long; keep-alives are signs, and come every few minutes."`
	SilenceCritical time.Duration `yaml:"silence_critical" default:"30m" off:"no alarm" doc:"The same, critical."`
	LagWarning      time.Duration `yaml:"lag_warning" default:"30m" off:"no alarm" doc:"Events are stored so long after they were published."`
	LagCritical     time.Duration `yaml:"lag_critical" default:"12h" off:"no alarm" doc:"The same, critical."`
	GapWarning      time.Duration `yaml:"gap_warning" default:"1h" off:"no alarm" doc:"A gap has been open for so long. One that is lost is critical until it is accepted, whatever stands here."`
	GapCritical     time.Duration `yaml:"gap_critical" default:"24h" off:"no alarm" doc:"The same, critical."`
	PausedWarning   time.Duration `yaml:"paused_warning" default:"10m" off:"no alarm" doc:"A route has waited for its application for so long."`
	PausedCritical  time.Duration `yaml:"paused_critical" default:"1h" off:"no alarm" doc:"The same, critical."`
	WaitingWarning  time.Duration `yaml:"waiting_warning" default:"1h" off:"no alarm" doc:"A route's oldest waiting event has waited for so long."`
	WaitingCritical time.Duration `yaml:"waiting_critical" default:"12h" off:"no alarm" doc:"The same, critical."`
	DeadWarning     int           `yaml:"dead_warning" default:"1" min:"1" off:"no alarm" doc:"A route has so many dead letters."`
	DeadCritical    int           `yaml:"dead_critical" default:"1000" min:"1" off:"no alarm" doc:"The same, critical."`
	UsedWarning     int           `yaml:"used_warning" default:"80" min:"1" max:"100" off:"no alarm" doc:"So many percent are used of the org's API requests, or of another allowance that the gateway's work draws on: events delivered and published, Bulk jobs."`
	UsedCritical    int           `yaml:"used_critical" default:"95" min:"1" max:"100" off:"no alarm" doc:"The same, critical."`
	RunsOutWarning  time.Duration `yaml:"runs_out_warning" default:"4h" off:"no alarm" doc:"One of them is used up in less than this at the pace of the last hour."`
	RunsOutCritical time.Duration `yaml:"runs_out_critical" default:"1h" off:"no alarm" doc:"The same, critical."`
}

// checkAlarms reports limits in the wrong order: a warning must come first.
func (d *decoder) checkAlarms(a Alarms) {
	d.checkPlainHTTP("alarms.url", a.URL.Reveal(), a.AllowHTTP, "alarms.allow_http")
	if a.URL.Reveal() == "" && (len(a.Secrets) > 0 || len(a.Headers) > 0) {
		d.wrong("alarms.url", "missing; there are secrets or headers for it", "say where notices go, or remove them")
	}
	for _, l := range []struct {
		key               string
		warning, critical int64
		falling           bool
	}{
		{"window", int64(a.WindowWarning), int64(a.WindowCritical), true},
		{"runs_out", int64(a.RunsOutWarning), int64(a.RunsOutCritical), true},
		{"silence", int64(a.SilenceWarning), int64(a.SilenceCritical), false},
		{"lag", int64(a.LagWarning), int64(a.LagCritical), false},
		{"gap", int64(a.GapWarning), int64(a.GapCritical), false},
		{"paused", int64(a.PausedWarning), int64(a.PausedCritical), false},
		{"waiting", int64(a.WaitingWarning), int64(a.WaitingCritical), false},
		{"dead", int64(a.DeadWarning), int64(a.DeadCritical), false},
		{"used", int64(a.UsedWarning), int64(a.UsedCritical), false},
	} {
		if l.warning == 0 || l.critical == 0 {
			continue
		}
		if l.falling && l.critical > l.warning || !l.falling && l.critical < l.warning {
			d.wrong("alarms."+l.key+"_critical", "comes before the warning", "let the warning come first, or switch one of them off")
		}
	}
}
