package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func TestParse_AppliesDefaultsToWhatIsAbsent(t *testing.T) {
	t.Parallel()
	s := load(t, minimal)
	route := s.Routes["orders"]
	for name, pair := range map[string][2]any{
		"flow":        {s.Org.Flow, "client-credentials"},
		"version":     {s.Org.APIVersion, "67.0"},
		"endpoint":    {s.Org.PubSub.Endpoint, "api.pubsub.salesforce.com:7443"},
		"store":       {s.Store.URL.Reveal(), "sallyport.db"},
		"payload":     {s.Store.Retention.Payload, 24 * time.Hour},
		"listen":      {s.Control.Listen, "127.0.0.1:8080"},
		"max_body":    {s.Control.MaxBody, config.Size(1 << 20)},
		"grace":       {s.Shutdown.Grace, 25 * time.Second},
		"start":       {route.Start, "earliest"},
		"order_by":    {route.OrderBy, "record"},
		"concurrency": {route.Concurrency, 16},
		"timeout":     {route.To.Timeout, 10 * time.Second},
		"attempts":    {route.Retry.Attempts, 12},
		"max_age":     {route.Retry.MaxAge, 72 * time.Hour},
		"failures":    {route.Breaker.Failures, 5},
		"secret":      {s.Org.ClientSecret.Reveal(), "s3cr3t"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %v, want %v", name, pair[0], pair[1])
		}
	}
	if d := cmp.Diff([]string{"/event/Order_Event__e"}, route.Topics); d != "" || route.Topic != "" {
		t.Errorf("topic did not become topics: %s%s", route.Topic, d)
	}
}

func TestParse_TellsOffFromAbsent(t *testing.T) {
	t.Parallel()
	for _, off := range []string{"off", "0", "'off'"} {
		s := load(t, minimal+"    breaker: {failures: "+off+"}\n    retry: {max_age: "+off+"}\n"+
			"store: {retention: {payload: "+off+", metadata: "+off+"}}\n")
		r := s.Routes["orders"]
		if r.Breaker.Failures != 0 || r.Retry.MaxAge != 0 || s.Store.Retention != (config.Retention{}) {
			t.Errorf("%s: %+v %+v %+v; want zeros", off, r.Breaker, r.Retry, s.Store.Retention)
		}
		if r.Breaker.ProbeMax != 30*time.Second {
			t.Errorf("%s: a neighbour lost its default: %+v", off, r.Breaker)
		}
	}
}

func TestParse_TakesTheStoreAsOneValueOrAsASection(t *testing.T) {
	t.Parallel()
	one := load(t, minimal+"store: ${DATABASE_URL}\n", "DATABASE_URL=postgres://u:p@h/db")
	section := load(t, minimal+"store:\n  url: ${DATABASE_URL}\n  schema: gate\n", "DATABASE_URL=postgres://u:p@h/db")
	if one.Store.URL.Reveal() != "postgres://u:p@h/db" || one.Store.Schema != "sallyport" {
		t.Errorf("one value: %+v", one.Store)
	}
	if section.Store.URL != one.Store.URL || section.Store.Schema != "gate" || !section.Store.URL.IsPostgres() {
		t.Errorf("section: %+v", section.Store)
	}
}

func TestParse_RefusesWithPlaceAndNextStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"unknown key": {
			minimal + "    concurency: 3\n",
			"sallyport.yaml:11:5: routes.orders.concurency: unknown key (did you mean concurrency?)",
		},
		"key of another section": {
			minimal + "shutdown: {probe_max: 3s}\n",
			"sallyport.yaml:11:12: shutdown.probe_max: unknown key (did you mean routes.<route>.breaker.probe_max?)",
		},
		"unknown section": {minimal + "extras: 1\n", "sallyport.yaml:11:1: extras: unknown key (known here: org, store"},
		"missing key": {
			strings.Replace(minimal, "  client_id: id\n", "", 1),
			"sallyport.yaml:1:1: org.client_id: missing (for example client_id: ${SF_CLIENT_ID})",
		},
		"missing variable": {
			minimal + "store: ${NOWHERE}\n",
			"sallyport.yaml:11:8: store.url: environment variable NOWHERE is not set (export NOWHERE, or give a default: ${NOWHERE:-...})",
		},
		"pattern of a later release": {
			strings.Replace(minimal, "pattern: events", "pattern: sync", 1),
			`sallyport.yaml:7:14: routes.orders.pattern: "sync" is not available yet; known are rest, events`,
		},
		"misspelt choice": {
			minimal + "log: {level: wran}\n",
			`sallyport.yaml:11:14: log.level: "wran" is not one of debug, info, warn, error; did you mean warn?`,
		},
		"duration without unit": {minimal + "shutdown: {grace: 30}\n", `sallyport.yaml:11:19: shutdown.grace: "30" is not a duration`},
		"off where it cannot be": {
			minimal + "    concurrency: off\n",
			`sallyport.yaml:11:18: routes.orders.concurrency: "off" is not possible here; the least is 1`,
		},
		"too much":         {minimal + "    concurrency: 5000\n", `"5000" is too much; the most is 1024`},
		"too little":       {minimal + "control: {max_body: 10}\n", `"10" is too little; the least is 1KiB`},
		"list for a text":  {minimal + "log: {level: [info]}\n", "sallyport.yaml:11:14: log.level: needs a text, has a list"},
		"text for a list":  {minimal + "    topics: /event/A__e\n", "routes.orders.topics: needs a list (for example topics: [/data/AccountChangeEvent])"},
		"text for section": {minimal + "log: info\n", "sallyport.yaml:11:6: log: needs keys and values, has a single value"},
		"no yaml":          {"org: [\n", "sallyport.yaml:1:6: not YAML: "},
		"doubled key":      {minimal + "routes: {}\n", `sallyport.yaml:11:1: not YAML: mapping key "routes" already defined at [5:1]`},
		"second document":  {minimal + "---\norg: {}\n", "a second YAML document"},
		"alias":            {minimal + "log: &l {level: info}\n", "an anchor or alias, which this file does not support"},
		"merge key":        {minimal + "<<: {log: 1}\n", "needs a plain key"},
		"empty file":       {"", "sallyport.yaml: routes: missing"},
		"no route":         {strings.Split(minimal, "  orders")[0], "routes: missing"},
		"bare reference in flow style": {
			minimal + "control: {token: ${TOKEN}}\n", `inside [ ] and { } write references in quotes: "${NAME}"`,
		},
		"deep nesting": {minimal + "log: " + strings.Repeat("[", 5000), "sallyport.yaml:11:1: nested more than 64 deep"},
		"huge file":    {strings.Repeat("# filler\n", 40000), "the file is larger than 256KiB"},
		"unknown jq":   {minimal + "    filter: nosuch(.a)\n", "sallyport.yaml:11:13: routes.orders.filter: not a jq expression: function not defined: nosuch/1"},
		"broken jq":    {minimal + "    filter: '.a |'\n", "sallyport.yaml:11:13: routes.orders.filter: not a jq expression: "},
		"no topic":     {strings.Replace(minimal, "/event/Order_Event__e", "orders", 1), `sallyport.yaml:8:12: routes.orders.topic: malformed topic "orders": want /event/<Name__e>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
				t.Errorf("problems:\n%s\nwant: %s", got, c.want)
			}
		})
	}
}

func TestParse_ReportsEverythingAtOnceInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	problems := refuse(t, strings.Replace(minimal, "https://acme", "ftp://acme", 1)+"    concurrency: 0\nlog: {level: loud}\nlgo: {}\n")
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	want := []string{"org.login_url", "routes.orders.concurrency", "log.level", "lgo"}
	if d := cmp.Diff(want, paths); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
}

func TestParse_StopsCountingProblemsOfWhatIsNoConfiguration(t *testing.T) {
	t.Parallel()
	var src strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&src, "key%d: value\n", i)
	}
	if problems := refuse(t, src.String()); len(problems) != 200 {
		t.Errorf("%d problems, want 200", len(problems))
	}
}

func TestParse_ReadsOnlyTheSectionsAskedFor(t *testing.T) {
	t.Parallel()
	src := []byte("org: {client_secret: \"${NOT_SET}\"}\nstore: there.db\ncontrol: {listen: \"127.0.0.1:99\"}\n")
	s, _, err := config.Parse("f", src, env(), "store", "control")
	if err != nil || s.Store.URL.Reveal() != "there.db" || s.Control.Listen != "127.0.0.1:99" {
		t.Errorf("Parse() = %+v, %v", s, err)
	}
	_, _, err = config.Parse("f", []byte("store: {typo: 1}\n"), env(), "store")
	if err == nil || !strings.Contains(err.Error(), "f:1:9: store.typo: unknown key") {
		t.Errorf("a section asked for was not checked: %v", err)
	}
}

func TestSettings_PlaceFindsAKeyOrItsNearestParent(t *testing.T) {
	t.Parallel()
	s := load(t, minimal)
	for path, want := range map[string]string{
		"routes.orders.topic":       "sallyport.yaml:8:5",
		"routes.orders.to.timeout":  "sallyport.yaml:9:5",
		"routes.orders.topics[0]":   "sallyport.yaml:6:3",
		"store.url":                 "sallyport.yaml",
		"org.client_secret":         "sallyport.yaml:4:3",
		"routes.other.to.url":       "sallyport.yaml:5:1",
		"routes.orders.retry.first": "sallyport.yaml:6:3",
	} {
		if got := s.Place(path); got != want {
			t.Errorf("Place(%s) = %s, want %s", path, got, want)
		}
	}
	if !s.IsSet("org.client_id") || s.IsSet("org.flow") {
		t.Error("IsSet does not tell a key of the file from a default")
	}
}
