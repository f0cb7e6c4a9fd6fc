package page

import (
	_ "embed"
	"html/template"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

//go:embed state.html
var stateHTML string

// State is what the page shows.
type State struct {
	URL, OrgID, OrgName      string
	PubSubAddr, PubSubTLS    string
	Now                      time.Time
	Requests, Sessions       int64
	Objects                  []Object
	Topics                   []Topic
	Faults                   []fault.State
	Names                    []fault.Name
	Latest                   []Request // newest first
	Problem                  string    // of the last form, "" if none
	PubSubStreams, Delivered int64
}

// Object is an sObject with the number of its live rows.
type Object struct {
	Name, Label string
	Rows        int64
}

// Topic is a topic of the event bus.
type Topic struct {
	Name        string
	Events      int
	Subscribers int
}

// Renderer writes the page. Safe for concurrent use.
type Renderer struct{ template *template.Template }

// NewRenderer prepares the page.
func NewRenderer() (*Renderer, error) {
	t, err := template.New("state").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"time":  func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
		"took": func(micros int64) string {
			return (time.Duration(micros) * time.Microsecond).Round(10 * time.Microsecond).String()
		},
		"rows":  thousands,
		"limit": limitOf,
		"where": whereOf,
	}).Parse(stateHTML)
	if err != nil {
		return nil, err
	}
	return &Renderer{template: t}, nil
}

// Render writes the page of a state.
func (r *Renderer) Render(w io.Writer, s State) error { return r.template.Execute(w, s) }
