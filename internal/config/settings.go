package config

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Settings is the whole configuration, effective: defaults applied, references
// resolved, checked. It is never changed after it was loaded.
//
// The tags are the only description of a key. yaml is its name and doc its
// meaning; default is the text used when the key is absent; required, enum, min
// and max are rules; off is what "off" or 0 means, and a key without it accepts
// neither; sample is shown in the reference; name is what the keys of a map
// stand for; scalar is the key meant when a section is given as one value.
type Settings struct {
	Org       Org              `yaml:"org" doc:"The Salesforce org."`
	Store     Store            `yaml:"store" scalar:"url" doc:"Where events wait until they are delivered, with positions, gaps and the ledger. Either the address alone or a section."`
	Control   Control          `yaml:"control" doc:"The operator API: status, events, health, metrics. The command line talks to it."`
	Log       Log              `yaml:"log" doc:"Logs, on standard error."`
	Telemetry Telemetry        `yaml:"telemetry" doc:"OpenTelemetry traces, from publish to delivery."`
	Budget    Budget           `yaml:"budget" doc:"How much of the org's API requests may be used. The allocation is for any 24 hours and shared with the org's other users; what they use counts. Between floor and ceiling the less urgent work stops first: comparing, first copies, refilling gaps, writing back, events."`
	Shutdown  Shutdown         `yaml:"shutdown" doc:"What happens at SIGTERM."`
	Routes    map[string]Route `yaml:"routes" name:"route" required:"true" doc:"The routes: what arrives, where it waits, where it goes. A route's name appears in the ledger, in metrics and in every event's routename; renaming a route starts a new account."`

	places places
}

// Org is a configured Salesforce login.
type Org struct {
	LoginURL       string        `yaml:"login_url" type:"url" required:"true" sample:"https://acme.my.salesforce.com" doc:"The org's My Domain address (or https://login.salesforce.com and https://test.salesforce.com for flows that allow them)."`
	AllowHTTP      bool          `yaml:"allow_http" default:"false" doc:"Allow a login_url with http:, and pubsub.plaintext, to a host other than this machine. Secrets then travel in clear text; for simulators in a private network only."`
	Flow           string        `yaml:"flow" enum:"client-credentials,jwt-bearer,refresh-token" default:"client-credentials" doc:"The OAuth flow of the External Client App (or Connected App)."`
	ClientID       string        `yaml:"client_id" required:"true" sample:"${SF_CLIENT_ID}" doc:"The consumer key of the app."`
	ClientSecret   secret.String `yaml:"client_secret" sample:"${SF_CLIENT_SECRET}" doc:"The consumer secret of the app. Needed by client-credentials; by refresh-token if the app requires it."`
	Username       string        `yaml:"username" sample:"integration@acme.example" doc:"The user to act as. Needed by jwt-bearer."`
	PrivateKeyFile string        `yaml:"private_key_file" sample:"/etc/sallyport/org.pem" doc:"A PEM file with the RSA private key whose certificate the app knows. Needed by jwt-bearer."`
	RefreshToken   secret.String `yaml:"refresh_token" sample:"${SF_REFRESH_TOKEN}" doc:"The refresh token of the user to act as. Needed by refresh-token."`
	APIVersion     string        `yaml:"api_version" default:"67.0" pattern:"^[0-9]{2,3}\\.0$" doc:"The version of the Salesforce APIs, in quotes."`
	PubSub         PubSub        `yaml:"pubsub" doc:"The Pub/Sub API endpoint."`
}

// PubSub is where the Pub/Sub API is reached.
type PubSub struct {
	Endpoint  string `yaml:"endpoint" type:"host:port" default:"api.pubsub.salesforce.com:7443" doc:"Host and port of the Pub/Sub API. Orgs in the EU with data residency use api.deu.pubsub.salesforce.com:7443."`
	Plaintext bool   `yaml:"plaintext" default:"false" doc:"Speak without TLS; for a simulated org."`
	CAFile    string `yaml:"ca_file" default:"" doc:"A PEM file of certificate authorities to trust instead of the system's."`
}

// Store is where events wait.
type Store struct {
	URL            URL       `yaml:"url" type:"store" default:"sallyport.db" sample:"postgres://sallyport:${PGPASSWORD}@db/app" doc:"A file (SQLite; one gateway process) or postgres://... (several processes may share it)."`
	Schema         string    `yaml:"schema" default:"sallyport" pattern:"^[a-z_][a-z0-9_]{0,62}$" doc:"The PostgreSQL schema that holds Sallyport's tables. Without meaning for a file."`
	Retention      Retention `yaml:"retention" doc:"How long delivered events are remembered. Waiting events and dead letters are never removed by time."`
	AllowEphemeral bool      `yaml:"allow_ephemeral" default:"false" doc:"Allow a file store on a Heroku dyno, whose disk is wiped at every restart. Accepted events can then be lost."`
}

// Retention is how long delivered events are kept; zero keeps for ever.
type Retention struct {
	Payload  time.Duration `yaml:"payload" default:"24h" off:"kept for ever" doc:"How long the payload of a delivered event is kept."`
	Metadata time.Duration `yaml:"metadata" default:"168h" off:"kept for ever" doc:"How long the record of a delivered event (id, times, attempts) is kept. At least as long as the payload."`
}

// Control is the operator API.
type Control struct {
	Listen  string        `yaml:"listen" type:"host:port" default:"127.0.0.1:8080" doc:"The address to listen on. Other than the loopback interface only with a token."`
	Token   secret.String `yaml:"token" sample:"${SALLYPORT_TOKEN}" doc:"The bearer token that callers must present, except for /healthz and /readyz."`
	MaxBody Size          `yaml:"max_body" default:"1MiB" min:"1KiB" doc:"The largest request accepted."`
}

// Log is how the gateway logs.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" default:"info" doc:"The least severe level that is written. Single events appear at debug, by id, never with their payload."`
	Format string `yaml:"format" enum:"text,json" default:"text" doc:"The form of a line."`
}

// Telemetry is where traces go; empty means nowhere.
type Telemetry struct {
	OTLPEndpoint string `yaml:"otlp_endpoint" type:"url" default:"" sample:"http://localhost:4318" doc:"The OTLP/HTTP collector that gets traces. Empty: none are recorded."`
}

// Budget is how much of the org's API requests may be used, in percent.
type Budget struct {
	Floor   int `yaml:"floor" default:"60" min:"1" max:"100" doc:"Percent of the org's API requests up to which everything may go on."`
	Ceiling int `yaml:"ceiling" default:"95" min:"1" max:"100" doc:"Percent of the org's API requests at which the gateway makes no request any more."`
	Share   int `yaml:"share" default:"100" min:"1" max:"100" doc:"Percent of the org's API requests that this process may use by itself in 24 hours."`
}

// Shutdown is how the gateway stops.
type Shutdown struct {
	Grace time.Duration `yaml:"grace" default:"25s" min:"5s" doc:"How long deliveries in flight may finish after SIGTERM. What is left returns to waiting."`
}

// Route binds topics to a destination.
type Route struct {
	Pattern     string   `yaml:"pattern" enum:"events" required:"true" doc:"The integration pattern."`
	Topic       string   `yaml:"topic" type:"topic" sample:"/event/Order_Event__e" doc:"The topic to subscribe to; short for topics with one entry."`
	Topics      []string `yaml:"topics" type:"topic" sample:"[/data/AccountChangeEvent]" doc:"The topics to subscribe to: /event/Name__e, /data/ObjectChangeEvent, /data/ChangeEvents or a custom channel. Routes share one subscription per topic."`
	Transport   string   `yaml:"transport" enum:"pubsub,cometd" default:"pubsub" doc:"How the topics are read: over the Pub/Sub API (gRPC), or over the Streaming API (CometD, HTTP long polling) for orgs and networks that need it. A route keeps its place when this changes. Routes on one topic share one subscription, so they must agree."`
	Start       string   `yaml:"start" enum:"earliest,latest" default:"earliest" doc:"Where a topic without a stored position begins: at the oldest event that the org retains (72 hours), or with what is published from now on."`
	Filter      string   `yaml:"filter" type:"jq" sample:"'.Amount__c > 100'" doc:"A jq expression over an event's data. Events for which it is false or null are counted as filtered and go no further."`
	Transform   string   `yaml:"transform" type:"jq" sample:"'{id: .Order_Id__c, total: .Amount__c}'" doc:"A jq expression over an event's data; its first result is what the application receives."`
	OrderBy     string   `yaml:"order_by" type:"order" default:"record" doc:"Events with an equal key are delivered one after another: by record (record Id), by a field of the data, or none (no order)."`
	Concurrency int      `yaml:"concurrency" default:"16" min:"1" max:"1024" doc:"How many events of the route are delivered at once, per process."`
	Refill      Refill   `yaml:"refill" doc:"What brings back events that the org no longer retains: after more than 72 hours away, a move of the org, or a gap event. Routes on one topic share it."`
	To          To       `yaml:"to" doc:"The application's endpoint."`
	Retry       Retry    `yaml:"retry" doc:"What happens to an event that the application did not take."`
	Breaker     Breaker  `yaml:"breaker" doc:"When the application as a whole is down, the route pauses and attempts are not used up."`
}

// Refill is where missed events come back from.
type Refill struct {
	From     string   `yaml:"from" enum:"records,none" default:"records" doc:"For change events: the record APIs, which tell what changed and what was deleted; the whole record comes, marked as refilled. With none, and for platform events, a gap is closed as lost, with its span."`
	Objects  []string `yaml:"objects" type:"object" sample:"[Account, Contact]" doc:"The objects whose changes a channel carries (/data/ChangeEvents or a custom channel). A topic of one object needs none; for a channel without them a refill waits until they are named."`
	BulkOver int      `yaml:"bulk_over" default:"10000" min:"1" max:"1000000" doc:"More changed records than this are read by a Bulk API job instead of REST pages of 2,000."`
}

// To is an HTTP destination.
type To struct {
	URL           URL                      `yaml:"url" type:"endpoint" required:"true" sample:"https://app.example/events" doc:"Where events are posted, as CloudEvents in binary mode. No credentials in it: send those as headers."`
	Secrets       []secret.String          `yaml:"secrets" type:"signing" max:"2" sample:"[\"${WEBHOOK_SECRET}\"]" doc:"Secrets that sign every delivery (Standard Webhooks: whsec_ and base64). Two while one replaces the other: both signatures are sent."`
	Headers       map[string]secret.String `yaml:"headers" name:"header" sample:"{X-Api-Key: \"${KEY}\"}" doc:"Headers added to every delivery. Their values are treated as secrets."`
	Timeout       time.Duration            `yaml:"timeout" default:"10s" min:"1ms" doc:"How long the application may take to answer one attempt."`
	RetryStatuses []int                    `yaml:"retry_statuses" min:"400" max:"499" sample:"[404, 409]" doc:"Statuses to retry although they are a verdict on the event: any 4xx but 408, 425 and 429 otherwise makes a dead letter at once."`
	AllowHTTP     bool                     `yaml:"allow_http" default:"false" doc:"Allow a url with http: to a host other than this machine. Events then travel in clear text."`
}

// Retry is the schedule of attempts.
type Retry struct {
	Attempts int           `yaml:"attempts" default:"12" min:"1" max:"1000" doc:"How many attempts an event gets before it becomes a dead letter."`
	First    time.Duration `yaml:"first" default:"1s" min:"1ms" doc:"The wait after the first attempt; it doubles each time, with jitter."`
	Max      time.Duration `yaml:"max" default:"1h" min:"1ms" doc:"The longest wait between two attempts."`
	MaxAge   time.Duration `yaml:"max_age" default:"72h" off:"no limit of age" doc:"The age at which an event becomes a dead letter whatever its attempts."`
}

// Breaker is when a route pauses because its application is down.
type Breaker struct {
	Failures int           `yaml:"failures" default:"5" off:"the route never pauses" doc:"How many attempts in a row must find the application unavailable (no connection, 429, 502, 503, 504) before the route pauses. A Retry-After pauses it at once."`
	ProbeMax time.Duration `yaml:"probe_max" default:"30s" min:"1ms" doc:"The longest wait between two probes of a paused route."`
}
