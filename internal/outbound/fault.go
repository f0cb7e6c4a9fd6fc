package outbound

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

const open = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<soapenv:Envelope xmlns:soapenv="` + soapSpace + `"><soapenv:Body>`

const closing = `</soapenv:Body></soapenv:Envelope>` + "\n"

const acknowledgement = open + `<notificationsResponse xmlns="` + outboundSpace + `"><Ack>true</Ack></notificationsResponse>` + closing

// fault is why a message is not acknowledged. Salesforce shows its text to an
// admin, beside the message that waits, and sends the message again.
type fault struct {
	status int
	// reason is its word in metrics.
	reason string
	text   string
	next   string
	after  time.Duration
	err    error // for the log
}

func (f *fault) write(w http.ResponseWriter) {
	code := "soapenv:Client"
	if f.status >= http.StatusInternalServerError {
		code = "soapenv:Server"
	}
	var b bytes.Buffer
	b.WriteString(open + "<soapenv:Fault><faultcode>" + code + "</faultcode><faultstring>")
	_ = xml.EscapeText(&b, []byte(f.text+" Next: "+f.next)) // a buffer does not refuse
	b.WriteString("</faultstring></soapenv:Fault>" + closing)
	if f.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.after/time.Second)))
	}
	answer(w, f.status, b.Bytes())
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the sender is gone if this fails, and sends again
}
