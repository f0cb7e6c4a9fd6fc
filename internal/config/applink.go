package config

import "net/url"

// checkAppLink lets an access token go to an application over https or to this
// machine only: to.allow_http is about events.
func (d *decoder) checkAppLink(path string, t To) {
	if !t.AppLink {
		return
	}
	u, err := url.Parse(t.URL.Reveal())
	switch {
	case t.URL.IsZero() || err != nil:
		d.wrong(path+".applink", "is of no use without a url", "remove it, or send the events to an application")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		d.wrong(path+".applink", "would send an access token in clear text to another machine", "use https, or remove applink")
	case t.Batch > 1:
		d.wrong(path+".applink", "does not go with batch: a context belongs to one request of one caller", "remove one of the two")
	}
}
