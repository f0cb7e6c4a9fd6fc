package config

import "time"

// Callout is how callouts are answered.
type Callout struct {
	Answer    string        `yaml:"answer" type:"answer" sample:"wait-then-accept 10s" doc:"wait: the caller gets the application's own answer; accept: 202 with an id as soon as the event is on disk; wait-then-accept and a duration: on disk first, then the answer if the application gives it in that time, 202 otherwise. Default: wait with waits: none, accept else."`
	Deadline  time.Duration `yaml:"deadline" default:"120s" min:"10ms" max:"120s" doc:"How long a caller waits that does not say so in X-Sallyport-Deadline. Apex gives up after 120 s at most, and after 10 s unless told otherwise. Never longer than listen.router_timeout."`
	Tries     int           `yaml:"tries" default:"3" min:"1" max:"20" doc:"With answer: wait: how often a callout that may be repeated (GET, HEAD, OPTIONS, PUT, DELETE, or any with an Idempotency-Key) is sent to the application inside its deadline."`
	Hedge     time.Duration `yaml:"hedge" default:"0" off:"no second request beside the first" doc:"With answer: wait: after how long without an answer a second request is sent beside the first, if the callout may be repeated; the first answer counts."`
	InFlight  int           `yaml:"in_flight" default:"256" min:"1" max:"10000" doc:"With answer: wait: the most callouts at the application at once. The limit in force adapts below it to what the application bears; beyond it callers get 503 with Retry-After."`
	Headers   []string      `yaml:"headers" sample:"[X-Tenant]" doc:"With answer: wait: further request headers that are passed on. Always passed: Accept, Accept-Language, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Prefer, traceparent, tracestate. Never: Authorization, Cookie and what belongs to the connection."`
	MaxAnswer Size          `yaml:"max_answer" default:"6MiB" min:"1KiB" max:"64MiB" doc:"The largest answer that is passed back; Apex reads at most 6 MB in a synchronous transaction. A larger one becomes 502."`
}
