package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// The kinds of what an application answers with.
const (
	kindRecord = "record"
	kindEvent  = "event"
)

// item is one thing that an application answered with, or why it could not be read.
type item struct {
	kind  string
	data  []byte
	cloud *cloudEvent
	// why is set for what could not be read; it quotes nothing.
	why         string
	contentType string
}

// cloudEvent is a CloudEvents 1.0 event in its JSON form.
type cloudEvent struct {
	SpecVersion  string          `json:"specversion"`
	ID           string          `json:"id"`
	Source       string          `json:"source"`
	Type         string          `json:"type"`
	Subject      string          `json:"subject"`
	Time         time.Time       `json:"time"`
	PartitionKey string          `json:"partitionkey"`
	Data         json.RawMessage `json:"data"`
	DataBase64   []byte          `json:"data_base64"`
}

// readReply returns what an answer asks for.
func readReply(a *event.Answer) []item {
	bad := func(why string) []item {
		return []item{{why: why, data: a.Body, contentType: a.ContentType}}
	}
	body := bytes.TrimSpace(a.Body)
	switch {
	case a.Truncated:
		return bad("it is larger than the route's reply.max_answer")
	case len(body) == 0:
		return nil
	case body[0] != '{' && body[0] != '[':
		if !saysJSON(a.ContentType) {
			return nil // an "OK" and the like
		}
		return bad("it is neither a JSON object nor an array")
	case !json.Valid(body):
		return bad("it is not valid JSON")
	case body[0] == '[':
		return readCloudEvents(body, a.ContentType)
	}
	members, err := membersOf(body)
	if err != nil {
		return bad(err.Error())
	}
	if _, is := members["specversion"]; is {
		return []item{readCloudEvent(body, a.ContentType)}
	}
	return readLists(members, a)
}

func saysJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

var errTwice = errors.New("a member of it is there twice")

// membersOf splits a JSON object, which is valid. A member that is there twice is
// refused: which of the two counts is nobody's guess to make.
func membersOf(object []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("it is not valid JSON")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		var raw json.RawMessage
		if err == nil {
			err = dec.Decode(&raw)
		}
		text, isName := name.(string)
		if err != nil || !isName {
			return nil, errors.New("it is not valid JSON")
		}
		if _, twice := members[text]; twice {
			return nil, errTwice
		}
		members[text] = raw
	}
	if _, err := dec.Token(); err != nil && err != io.EOF {
		return nil, errors.New("it is not valid JSON")
	}
	return members, nil
}

// readLists reads {"records": [...], "events": [...]}. A member of another name is
// refused, since it may be a list that is spelled wrong.
func readLists(members map[string]json.RawMessage, a *event.Answer) []item {
	var items []item
	known := 0
	for _, list := range []struct{ name, kind string }{{"records", kindRecord}, {"events", kindEvent}} {
		raw, given := members[list.name]
		if !given {
			continue
		}
		known++
		var each []json.RawMessage
		if json.Unmarshal(raw, &each) != nil {
			items = append(items, item{why: list.name + " is no list", data: raw, contentType: a.ContentType})
			continue
		}
		for _, data := range each {
			items = append(items, readItem(list.kind, data, a.ContentType))
		}
	}
	if known < len(members) {
		return []item{{why: "it has members besides records and events", data: a.Body, contentType: a.ContentType}}
	}
	return items
}

func readItem(kind string, data []byte, contentType string) item {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return item{why: "an entry of " + kind + "s is no JSON object", data: data, contentType: contentType}
	}
	return item{kind: kind, data: data}
}

func readCloudEvents(body []byte, contentType string) []item {
	var each []json.RawMessage
	if json.Unmarshal(body, &each) != nil {
		return []item{{why: "it is not valid JSON", data: body, contentType: contentType}}
	}
	items := make([]item, 0, len(each))
	for _, raw := range each {
		items = append(items, readCloudEvent(raw, contentType))
	}
	return items
}

func readCloudEvent(raw []byte, contentType string) item {
	bad := func(why string) item { return item{why: why, data: raw, contentType: contentType} }
	var c cloudEvent
	if err := json.Unmarshal(raw, &c); err != nil {
		return bad("an entry of it is no CloudEvent in JSON")
	}
	switch {
	case c.SpecVersion != "1.0":
		return bad("its specversion is not 1.0")
	case c.ID == "" || c.Source == "" || c.Type == "":
		return bad("a CloudEvent of it lacks id, source or type")
	case len(c.Data) > 0 && len(c.DataBase64) > 0:
		return bad("a CloudEvent of it has data twice")
	}
	data := []byte(c.Data)
	if len(c.DataBase64) > 0 {
		data = c.DataBase64
	}
	if !json.Valid(data) {
		return bad("a CloudEvent of it has no JSON as its data")
	}
	return item{kind: kindEvent, data: data, cloud: &c}
}
