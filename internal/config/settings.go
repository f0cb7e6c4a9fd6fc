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
	Org           Org               `yaml:"org" doc:"The Salesforce org. Needed where a route subscribes to it or writes to it; a gateway that only passes callouts to an application has no use for one."`
	Store         Store             `yaml:"store" scalar:"url" doc:"Where events wait until they are delivered, with positions, gaps and the ledger. Either the address alone or a section."`
	RabbitMQ      RabbitMQ          `yaml:"rabbitmq" scalar:"url" doc:"The broker of routes that wait in RabbitMQ, read from it or publish to it. Either the address alone or a section."`
	Heroku        Heroku            `yaml:"heroku" doc:"The number of dynos follows the load of queues: what queues advise says is done, between a floor and a ceiling, by one of the gateway's processes. See docs/queues.md."`
	Listen        Listen            `yaml:"listen" scalar:"address" doc:"Where callouts and the application's own events come in: /callouts/<route>, /events/<route> and /outbound/<route>. Either the address alone or a section. Nothing listens unless a route arrives that way."`
	Callers       map[string]Caller `yaml:"callers" name:"caller" doc:"Who may call, and how they prove it. A request of nobody in this list is answered 401. With none everybody may call, which is possible only on the loopback interface."`
	TokenEndpoint TokenEndpoint     `yaml:"token_endpoint" doc:"The gateway's own token service, POST /oauth2/token, from which a caller with client_secrets gets short-lived tokens: what a Salesforce External Credential does by itself."`
	Control       Control           `yaml:"control" doc:"The operator API: status, events, health, metrics. The command line talks to it."`
	Log           Log               `yaml:"log" doc:"Logs, on standard error."`
	Telemetry     Telemetry         `yaml:"telemetry" doc:"OpenTelemetry traces, from publish to delivery."`
	Budget        Budget            `yaml:"budget" doc:"How much of the org's API requests may be used. The allocation is for any 24 hours and shared with the org's other users; what they use counts. Between floor and ceiling the less urgent work stops first: comparing, first copies, refilling gaps, writing back, events."`
	Alarms        Alarms            `yaml:"alarms" doc:"What an operator is told of before it is too late, and where. A limit that is off raises no alarm. An alarm ends when its limit is left behind by a tenth, for as long as settle. Each beginning and each end is told once, by one process, whatever restarts."`
	Trail         Trail             `yaml:"trail" doc:"The audit trail: a chain of entries of what was done with every event, when and by whom. See docs/audit-trail.md."`
	Encryption    Encryption        `yaml:"encryption" doc:"Encryption of payloads at rest. See docs/audit-trail.md."`
	Shutdown      Shutdown          `yaml:"shutdown" doc:"What happens at SIGTERM."`
	Routes        map[string]Route  `yaml:"routes" name:"route" required:"true" doc:"The routes: what arrives, where it waits, where it goes. A route's name appears in the ledger, in metrics and in every event's routename; renaming a route starts a new account."`

	places places
}

// Org is a configured Salesforce login.
type Org struct {
	LoginURL       string        `yaml:"login_url" type:"url" sample:"https://acme.my.salesforce.com" doc:"The org's My Domain address (or https://login.salesforce.com and https://test.salesforce.com for flows that allow them)."`
	AllowHTTP      bool          `yaml:"allow_http" default:"false" doc:"Allow a login_url with http:, and pubsub.plaintext, to a host other than this machine. Secrets then travel in clear text; for simulators in a private network only."`
	Flow           string        `yaml:"flow" enum:"client-credentials,jwt-bearer,refresh-token" default:"client-credentials" doc:"The OAuth flow of the External Client App (or Connected App)."`
	ClientID       string        `yaml:"client_id" sample:"${SF_CLIENT_ID}" doc:"The consumer key of the app."`
	ClientSecret   secret.String `yaml:"client_secret" sample:"${SF_CLIENT_SECRET}" doc:"The consumer secret of the app. Needed by client-credentials; by refresh-token if the app requires it."`
	Username       string        `yaml:"username" sample:"integration@acme.example" doc:"The user to act as. Needed by jwt-bearer."`
	PrivateKeyFile string        `yaml:"private_key_file" sample:"/etc/sallyport/org.pem" doc:"A PEM file with the RSA private key whose certificate the app knows. Needed by jwt-bearer."`
	RefreshToken   secret.String `yaml:"refresh_token" sample:"${SF_REFRESH_TOKEN}" doc:"The refresh token of the user to act as. Needed by refresh-token."`
	APIVersion     string        `yaml:"api_version" default:"67.0" pattern:"^[0-9]{2,3}\\.0$" doc:"The version of the Salesforce APIs, in quotes."`
	ChannelPoll    time.Duration `yaml:"channel_poll" default:"5m" min:"1s" max:"24h" doc:"How often the org is asked which custom channels it has, where a route's topics are patterns (/event/*__chn); a tenth more or less. Each time costs one API request, for all routes and processes together. Also asked at a start and, at most every 30 seconds, when a connection to the org was renewed. The login's user needs View Setup and Configuration."`
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
	Floor   int           `yaml:"floor" default:"60" min:"1" max:"100" doc:"Percent of the org's API requests up to which everything may go on."`
	Ceiling int           `yaml:"ceiling" default:"95" min:"1" max:"100" doc:"Percent of the org's API requests at which the gateway makes no request any more."`
	Share   int           `yaml:"share" default:"100" min:"1" max:"100" doc:"Percent of the org's API requests that the gateway, all its processes together, may use in 24 hours."`
	Poll    time.Duration `yaml:"poll" default:"10m" min:"1m" off:"the org is never asked" doc:"How often the org is asked for its limits (API requests, events delivered and published, Bulk jobs) by one of the processes. Each time costs an API request; the login's user needs View Setup and Configuration."`
}

// Shutdown is how the gateway stops.
type Shutdown struct {
	Grace time.Duration `yaml:"grace" default:"25s" min:"5s" doc:"How long deliveries in flight may finish after SIGTERM. What is left returns to waiting."`
}
