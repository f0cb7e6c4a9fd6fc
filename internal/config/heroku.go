package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Heroku is the app whose number of dynos follows the load of queues.
type Heroku struct {
	Token       secret.String            `yaml:"token" sample:"${HEROKU_API_KEY}" doc:"A token that may scale the app: heroku authorizations:create --scope read,write."`
	App         string                   `yaml:"app" default:"" sample:"acme-orders" doc:"The app's name or id."`
	URL         string                   `yaml:"url" type:"url" default:"https://api.heroku.com" doc:"The Platform API."`
	AllowHTTP   bool                     `yaml:"allow_http" default:"false" doc:"Allow a url with http: to a host other than this machine. The token then travels in clear text."`
	DryRun      bool                     `yaml:"dry_run" default:"false" doc:"Only tell, in the log, in status and in the metrics, what would be changed."`
	Utilisation int                      `yaml:"utilisation" default:"70" min:"1" max:"100" doc:"Percent of the time that workers may be busy; the rest is for peaks. Near 100 events wait long."`
	CatchUp     time.Duration            `yaml:"catch_up" default:"10m" min:"10s" off:"does not matter" doc:"How long it may take to work off what waits."`
	Every       time.Duration            `yaml:"every" default:"30s" min:"5s" max:"10m" doc:"How often the load is looked at. Each time costs one request to the Platform API for each type of process; an account has 4,500 an hour."`
	UpAfter     time.Duration            `yaml:"up_after" default:"1m" off:"at once" doc:"For how long every look must have wanted more dynos."`
	DownAfter   time.Duration            `yaml:"down_after" default:"10m" off:"at once" doc:"For how long every look must have wanted fewer."`
	CoolDown    time.Duration            `yaml:"cool_down" default:"3m" off:"no pause" doc:"How long nothing is changed after a change: new dynos need time to start and to be felt."`
	Processes   map[string]HerokuProcess `yaml:"processes" name:"process" doc:"The types of process to scale, as the Procfile calls them."`
}

// HerokuProcess is one type of process.
type HerokuProcess struct {
	Floor   int      `yaml:"floor" default:"1" min:"1" max:"1000" doc:"The fewest dynos that are asked for. Somebody who scales the process to 0 by hand has switched it off: it is left alone."`
	Ceiling int      `yaml:"ceiling" required:"true" min:"1" max:"1000" sample:"10" doc:"The most dynos that are asked for."`
	Handles int      `yaml:"handles" required:"true" min:"1" max:"10000" sample:"5" doc:"How many events one dyno works on at once: its threads or its prefetch; for the gateway's own process the route's concurrency."`
	Routes  []string `yaml:"routes" sample:"[orders]" doc:"The routes whose events it works on; they must wait in RabbitMQ. Absent: all that do."`
}

// Given reports whether anything is scaled.
func (h Heroku) Given() bool { return len(h.Processes) > 0 }

// checkHeroku holds the scaling against the routes.
func (d *decoder) checkHeroku(s *Settings) {
	h := s.Heroku
	d.checkPlainHTTP("heroku.url", h.URL, h.AllowHTTP, "heroku.allow_http")
	if !h.Given() {
		if !h.Token.IsZero() || h.App != "" {
			d.wrong("heroku.processes", "missing; there is an app to scale", "say which types of process, with their ceiling, or remove the section")
		}
		return
	}
	if h.App == "" {
		d.wrong("heroku.app", "missing", "name the app whose processes are scaled")
	}
	if h.Token.IsZero() && !d.reported("heroku.token") {
		d.wrong("heroku.token", "missing", "for example token: ${HEROKU_API_KEY}")
	}
	for _, name := range slices.Sorted(maps.Keys(h.Processes)) {
		d.checkHerokuProcess(s, "heroku.processes."+name, h.Processes[name])
	}
}

func (d *decoder) checkHerokuProcess(s *Settings, path string, p HerokuProcess) {
	if p.Ceiling > 0 && p.Ceiling < p.Floor {
		d.wrong(path+".ceiling", fmt.Sprintf("is below the floor, %d", p.Floor), "let it be at least the floor")
	}
	for i, name := range p.Routes {
		if r, ok := s.Routes[name]; !ok || r.Waits != WaitsRabbitMQ {
			d.wrong(fmt.Sprintf("%s.routes[%d]", path, i), "is no route that waits in RabbitMQ", "name one, or remove routes to mean all of them")
		}
	}
	if len(p.Routes) > 0 {
		return
	}
	for _, r := range s.Routes {
		if r.Waits == WaitsRabbitMQ {
			return
		}
	}
	d.wrong(path, "scales with queues, but no route waits in RabbitMQ", "set waits: rabbitmq on a route, or remove it")
}
