package config

// Outbound is what is expected of the sender of outbound messages.
type Outbound struct {
	OrgIDs []string `yaml:"org_ids" pattern:"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$" sample:"[00D5e000000AbCdEAK]" doc:"The orgs whose messages are taken, by organization Id. Absent: the org in the section org once the gateway has logged in there; without one, any."`
}
