package config

import (
	"strings"
	"time"
)

// Listen is where callouts and the application's own events come in.
type Listen struct {
	Address        string        `yaml:"address" type:"host:port" default:"127.0.0.1:8090" sample:"0.0.0.0:8443" doc:"The address to listen on. Apart from the operator API's. Other than the loopback interface only with TLS, or with allow_http behind a router that ends it; and then callers must prove who they are."`
	TLS            ListenTLS     `yaml:"tls" doc:"The certificate to show to callers."`
	AllowHTTP      bool          `yaml:"allow_http" default:"false" doc:"Allow callers on other machines without TLS: behind a router that ends TLS (Heroku, a load balancer), or in a private network."`
	RouterTimeout  time.Duration `yaml:"router_timeout" off:"nobody in front gives up" sample:"30s" doc:"When the router in front gives up waiting for an answer. Callouts are answered before that. Absent: 30s on a Heroku dyno (whose router answers H12 after that), none elsewhere."`
	MaxBody        Size          `yaml:"max_body" default:"6MiB" min:"1KiB" max:"64MiB" doc:"The largest request. Apex sends at most 6 MB in a synchronous transaction."`
	MaxHeader      Size          `yaml:"max_header" default:"32KiB" min:"4KiB" max:"1MiB" doc:"The largest request header."`
	HeaderTimeout  time.Duration `yaml:"header_timeout" default:"10s" min:"10ms" doc:"How long a caller may take to send the header."`
	ReadTimeout    time.Duration `yaml:"read_timeout" default:"30s" min:"10ms" doc:"How long a caller may take to send the whole request."`
	IdleTimeout    time.Duration `yaml:"idle_timeout" default:"90s" min:"10ms" doc:"How long a connection without a request is kept. Heroku's router keeps its own for 90 s."`
	MaxConnections int           `yaml:"max_connections" default:"4096" min:"1" max:"100000" doc:"How many connections are served at once; more wait in the system's backlog."`
	MaxInFlight    int           `yaml:"max_in_flight" default:"1024" min:"1" max:"100000" doc:"How many requests are worked on at once; more are answered 503 with Retry-After at once."`
}

// ListenTLS is the certificate of the listener.
type ListenTLS struct {
	CertFile string `yaml:"cert_file" default:"" sample:"/etc/sallyport/tls.crt" doc:"A PEM file with the certificate and its chain. Read again when it changes."`
	KeyFile  string `yaml:"key_file" default:"" sample:"/etc/sallyport/tls.key" doc:"A PEM file with its private key."`
}

// checkListen holds the listener to what is safe.
func (d *decoder) checkListen(l Listen) {
	hasTLS := l.TLS.CertFile != "" || l.TLS.KeyFile != ""
	switch {
	case l.TLS.CertFile == "" && l.TLS.KeyFile != "":
		d.wrong("listen.tls.cert_file", "missing beside key_file", "")
	case l.TLS.KeyFile == "" && l.TLS.CertFile != "":
		d.wrong("listen.tls.key_file", "missing beside cert_file", "")
	case l.Address != "" && !hasTLS && !l.AllowHTTP && !isLoopback(hostOf(l.Address)):
		d.wrong("listen.tls", "missing; callers on other machines would send payloads and secrets in clear text to "+l.Address,
			"set listen.tls.cert_file and key_file, or listen.allow_http: true behind a router that ends TLS")
	}
	if l.HeaderTimeout > l.ReadTimeout && l.ReadTimeout != 0 {
		d.wrong("listen.header_timeout", "is longer than read_timeout", "")
	}
}

// checkAddresses keeps callers and operators apart.
func (d *decoder) checkAddresses(s *Settings) {
	if s.Listens() && s.Listen.Address == s.Control.Listen && !strings.HasSuffix(s.Listen.Address, ":0") {
		d.wrong("listen.address", "is control.listen as well", "give callers and operators a port each")
	}
}
