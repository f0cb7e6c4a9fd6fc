package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/schema"
)

// Path is where the document is served.
const Path = "/callouts/openapi.json"

// Answer is what the caller of a route gets.
type Answer int

// The answers.
const (
	// Waits: the application's own answer.
	Waits Answer = iota
	// Accepts: that the event is accepted.
	Accepts
	// WaitsThenAccepts: the application's answer if it comes in time, the other else.
	WaitsThenAccepts
)

// Route is a route that can be called.
type Route struct {
	Name     string
	Answer   Answer
	Request  *schema.Schema // nil: not described
	Response *schema.Schema // nil: without a body
}

// object is a piece of the document; its keys are written in alphabetical order.
type object = map[string]any

// Omission is a route that is not in the document.
type Omission struct {
	Route string
	// Why names the field that cannot be described, where there is one.
	Why string
}

// Document describes the routes that say what their requests look like, as far
// as External Services have types for it. The others are omitted: they can be called
// all the same, but not from a flow without code.
func Document(version string, routes []Route) (doc []byte, omitted []Omission, err error) {
	routes = slices.SortedFunc(slices.Values(routes), func(a, b Route) int { return strings.Compare(a.Name, b.Name) })
	paths, components := object{}, object{"Problem": problemSchema(), "Accepted": acceptedSchema()}
	if doc, err = write(version, paths, components); err != nil {
		return nil, nil, err
	}
	for _, r := range routes {
		if r.Request == nil {
			omitted = append(omitted, Omission{r.Name, "it has no schema"})
			continue
		}
		// Each is added to a copy, which counts if nothing in it breaks a rule.
		with, more := maps.Clone(paths), maps.Clone(components)
		operation, err := (&converter{components: more}).operation(r)
		if err != nil {
			omitted = append(omitted, Omission{r.Name, err.Error()})
			continue
		}
		with["/callouts/"+r.Name] = object{"post": operation}
		grown, err := write(version, with, more)
		if err != nil {
			return nil, nil, err
		}
		if broken := Check(grown); len(broken) > 0 {
			omitted = append(omitted, Omission{r.Name, strings.Join(broken, "; ")})
			continue
		}
		doc, paths, components = grown, with, more
	}
	return doc, omitted, nil
}

func write(version string, paths, components object) ([]byte, error) {
	doc, err := json.MarshalIndent(object{
		"openapi": "3.0.3",
		"info": object{
			"title": "Sallyport", "version": version,
			"description": "The routes of a Sallyport gateway. Requests are answered by the application behind a route; events are kept and delivered to it.",
		},
		"paths": paths, "components": object{"schemas": components},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write description: %w", err)
	}
	return append(doc, '\n'), nil
}

// OperationID is the name under which a route is called in flows and in Apex.
func (r Route) OperationID() string {
	if r.Answer == Accepts {
		return "send" + pascal(r.Name)
	}
	return "request" + pascal(r.Name)
}

// OperationName is how the metadata of an External Service writes an operation's
// name: in lower case. Ours have no other characters that would have to be encoded.
func (r Route) OperationName() string { return strings.ToLower(r.OperationID()) }

func (c *converter) operation(r Route) (object, error) {
	base := pascal(r.Name)
	request, err := c.root(r.Request, base+"Request")
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	answered := object{"description": "The application's answer."}
	if r.Response != nil && r.Answer != Accepts {
		response, err := c.root(r.Response, base+"Response")
		if err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
		answered["content"] = jsonContent(response)
	}
	accepted := object{
		"description": "The event is kept, and will be delivered. The application has not answered yet.",
		"content":     jsonContent(reference("Accepted")),
	}
	responses := object{"default": object{"description": "The request was refused or failed; the problem says what to do.", "content": jsonContent(reference("Problem"))}}
	summary := "Ask the application behind " + r.Name + " and wait for its answer"
	switch r.Answer {
	case Waits:
		responses["200"] = answered
	case Accepts:
		responses["202"] = accepted
		summary = "Send an event to " + r.Name
	case WaitsThenAccepts:
		responses["200"], responses["202"] = answered, accepted
	}
	return object{
		"operationId": r.OperationID(), "summary": summary,
		"parameters": []object{{
			"name": "Idempotency-Key", "in": "header", "required": false, "schema": object{"type": "string"},
			"description": "A name for this request, such as the Id of the record that it is about. A repeat with the same key has no second effect.",
		}},
		"requestBody": object{"required": true, "content": jsonContent(request)},
		"responses":   responses,
	}, nil
}

func jsonContent(s object) object { return object{"application/json": object{"schema": s}} }

func reference(component string) object { return object{"$ref": refPrefix + component} }

const refPrefix = "#/components/schemas/"

// problemSchema describes refusals, as the gateway writes them.
func problemSchema() object {
	text, whole := object{"type": "string"}, object{"type": "integer", "format": "int32"}
	return object{"type": "object", "properties": object{
		"type": text, "title": text, "status": whole, "detail": text, "code": text, "happened": text,
		"retry": object{"type": "boolean"}, "retry_after": whole, "field": text, "next_step": text,
	}}
}

func acceptedSchema() object {
	text := object{"type": "string"}
	return object{"type": "object", "properties": object{"id": text, "state": text, "status_url": text}}
}

// pascal makes a name of letters and digits of any other: order-lines becomes
// OrderLines. Underscores go too, since External Services encode them.
func pascal(s string) string {
	var b strings.Builder
	up := true
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z' && up:
			b.WriteByte(c - 'a' + 'A')
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			up = true
			continue
		}
		up = false
	}
	return b.String()
}
