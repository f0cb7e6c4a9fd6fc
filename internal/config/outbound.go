package config

// Outbound is what is expected of the sender of outbound messages.
type Outbound struct {
	OrgIDs []string `yaml:"org_ids" pattern:"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$" sample:"[00D5e000000AbCdEAK]" doc:"The orgs whose messages are taken, by organization Id. Absent: the org in the section org once the gateway has logged in there; without one, any."`
}

// Payloads is what a route is sent and what it answers.
type Payloads struct {
	Request  string `yaml:"request" default:"" sample:"schemas/order.json" doc:"A JSON Schema file (draft 2020-12). What does not fit is refused on arrival with 422 and the field's name. A route with it is described in /callouts/openapi.json, for External Services."`
	Response string `yaml:"response" default:"" sample:"schemas/quote.json" doc:"A JSON Schema file of the application's answer, for that description. Answers are not checked."`
}
