package config

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Route says how events arrive, where they wait and where they go.
type Route struct {
	Pattern     string        `yaml:"pattern" enum:"rest,events,queue" sample:"rest" doc:"The integration pattern, short for arrives and waits: rest is a callout whose caller waits for the answer; events is a subscription to the event bus, with events waiting in the store; queue is a callout that is accepted into RabbitMQ. Either key beside it overrides its half."`
	Arrives     string        `yaml:"arrives" enum:"callout,events,http,outbound-message,reply,amqp" sample:"callout" doc:"How it arrives. callout: Apex or Flow calls /callouts/<route>; events: the gateway subscribes to topics; http: the application posts CloudEvents to /events/<route>; outbound-message: Salesforce posts outbound messages to /outbound/<route>; reply: another route names this one in reply.to; amqp: the gateway reads a queue that exists already. Default: what the pattern says."`
	Waits       string        `yaml:"waits" enum:"none,store,rabbitmq" sample:"store" doc:"Where it waits. none: nowhere, the caller waits for the application's answer; store: in the gateway's store, durably, with retries, order and dead letters; rabbitmq: the same in quorum queues of a broker (docs/queues.md). Default: what the pattern and callout.answer say."`
	Topic       string        `yaml:"topic" type:"topic" sample:"/event/Order_Event__e" doc:"The topic to subscribe to; short for topics with one entry."`
	Topics      []string      `yaml:"topics" type:"topic" sample:"[/data/AccountChangeEvent]" doc:"The topics to subscribe to: /event/Name__e, /data/ObjectChangeEvent, /data/ChangeEvents or a custom channel (Name__chn), also by a pattern with one star (/event/Orders_*__chn: all custom channels of such a name that the org has or gets, see docs/events.md); with transport: cometd also PushTopics (/topic/Name) and generic channels (/u/Name). Routes share one subscription per topic."`
	Transport   string        `yaml:"transport" enum:"pubsub,cometd" default:"pubsub" doc:"How the topics are read: over the Pub/Sub API (gRPC), or over the Streaming API (CometD, HTTP long polling) for orgs and networks that need it. A route keeps its place when this changes. Routes on one topic share one subscription, so they must agree."`
	Managed     string        `yaml:"managed" type:"developername" sample:"Orders" doc:"The developer name of a ManagedEventSubscription (Pub/Sub API) of the route's one topic: the org keeps the position instead of the gateway's store. The org then goes on where its own settings say when the position is no longer good, without a word, so no gap is seen or refilled; see docs/events.md."`
	Start       string        `yaml:"start" enum:"earliest,latest" default:"earliest" doc:"Where a topic without a stored position begins: at the oldest event that the org retains (72 hours), or with what is published from now on. A channel that appears while its pattern is watched always begins at its oldest event."`
	Filter      string        `yaml:"filter" type:"jq" sample:"'.Amount__c > 100'" doc:"A jq expression over an event's data. Events for which it is false or null are counted as filtered and go no further."`
	Transform   string        `yaml:"transform" type:"jq" sample:"'{id: .Order_Id__c, total: .Amount__c}'" doc:"A jq expression over an event's data; its first result is what the application receives."`
	OrderBy     string        `yaml:"order_by" type:"order" default:"record" doc:"Events with an equal key are delivered one after another: by record (record Id), by a field of the data, or none (no order)."`
	Concurrency int           `yaml:"concurrency" default:"16" min:"1" max:"1024" doc:"How many events of the route are delivered at once, per process; where they go in batches, how many batches. To salesforce 4 unless set, with bulk_over 1: those who write at once share what waits."`
	Queue       Queue         `yaml:"queue" doc:"How it waits in the broker, for a route with waits: rabbitmq."`
	AMQP        AMQP          `yaml:"amqp" doc:"What is read, for a route with arrives: amqp."`
	Callout     Callout       `yaml:"callout" doc:"How a callout is answered, for a route with arrives: callout."`
	Remember    time.Duration `yaml:"remember" default:"24h" min:"1s" max:"720h" doc:"For what others hand over (callouts, the application's own events): how long an Idempotency-Key or the id of an event is known. The same key gets the same answer and has no second effect. Outbound messages: 72h unless set, since Salesforce repeats them for a day."`
	MaxWaiting  int           `yaml:"max_waiting" default:"1000000" min:"1" off:"no limit" doc:"For what others hand over (callouts, the application's own events, outbound messages) and that waits in the store: how many events of the route may wait before new ones are refused with 503 and Retry-After, so that an application that is away for long does not fill the disk. A queue that is read is not read on. Events of topics are never refused: the org retains them."`
	Group       Group         `yaml:"group" scalar:"by" doc:"Deliver the change events of one Salesforce transaction as one event. Either the word transaction alone or a section. Topics of change events only."`
	Schema      Payloads      `yaml:"schema" scalar:"request" doc:"JSON Schemas of what the route is sent and answers: for callouts and for the application's own events. Either the file of the request alone or a section."`
	Callers     []string      `yaml:"callers" sample:"[crm]" doc:"The callers that may use the route. Absent: all of them."`
	Outbound    Outbound      `yaml:"outbound_message" doc:"What is expected of an outbound message, for a route with arrives: outbound-message."`
	Refill      Refill        `yaml:"refill" doc:"What brings back events that the org no longer retains: after more than 72 hours away, a move of the org, or a gap event. Routes on one topic share one."`
	To          To            `yaml:"to" doc:"Where events go: an application's endpoint (url) or the org (salesforce)."`
	Reply       Reply         `yaml:"reply" scalar:"to" doc:"What the application answers goes on to another route, accepted together with the record that the event is delivered. Either the route's name alone or a section."`
	Retry       Retry         `yaml:"retry" doc:"What happens to an event that the application did not take."`
	Trail       bool          `yaml:"trail" default:"false" doc:"Keep an audit trail of the route's events (docs/audit-trail.md)."`
	Redact      []string      `yaml:"redact" type:"redact" sample:"[Contact.Email, ssn]" doc:"Fields of the data that no person is shown (events show, dead letters, queues peek, the operator API). A path is names joined by dots and leads through arrays. What is delivered stays as it is."`
	Breaker     Breaker       `yaml:"breaker" doc:"When the application as a whole is down, the route pauses and attempts are not used up."`
}

// To is a destination.
type To struct {
	URL           URL                      `yaml:"url" type:"endpoint" sample:"https://app.example/events" doc:"Where events are posted, as CloudEvents in binary mode. No credentials in it: send those as headers."`
	Secrets       []secret.String          `yaml:"secrets" type:"signing" max:"2" sample:"[\"${WEBHOOK_SECRET}\"]" doc:"Secrets that sign every delivery (Standard Webhooks: whsec_ and base64). Two while one replaces the other: both signatures are sent."`
	Headers       map[string]secret.String `yaml:"headers" name:"header" sample:"{X-Api-Key: \"${KEY}\"}" doc:"Headers added to every delivery. Their values are treated as secrets."`
	Timeout       time.Duration            `yaml:"timeout" default:"10s" min:"1ms" doc:"How long the application may take to answer one attempt. Where the caller waits for the answer (waits: none) it is callout.deadline unless set here."`
	RetryStatuses []int                    `yaml:"retry_statuses" min:"400" max:"499" sample:"[404, 409]" doc:"Statuses to retry although they are a verdict on the event: any 4xx but 408, 425 and 429 otherwise makes a dead letter at once."`
	Batch         int                      `yaml:"batch" default:"1" min:"1" max:"1000" doc:"The most events to deliver in one request. Above 1 every request is a batch (application/cloudevents-batch+json) of what is there, up to 1 MiB of payload and, where the route keeps an order, one event per key; the application answers 2xx without a body for all, or with a JSON array of {id, status, retry_after} for each. See docs/delivery.md."`
	AppLink       bool                     `yaml:"applink" default:"false" doc:"Send x-client-context with every delivery, as Heroku AppLink does: org, user and an access token of the gateway's own login, with which the application can do in the org what that user can. For applications written with the AppLink SDK. Needs https, or an application on this machine. See docs/applink.md."`
	AllowHTTP     bool                     `yaml:"allow_http" default:"false" doc:"Allow a url with http: to a host other than this machine. Events then travel in clear text."`
	RabbitMQ      ToRabbitMQ               `yaml:"rabbitmq" doc:"An exchange of the broker to publish to, instead of url."`
	Salesforce    Salesforce               `yaml:"salesforce" doc:"Records to write to the org, or platform events to publish, instead of url. See docs/write-back.md."`
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
