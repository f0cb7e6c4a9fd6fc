package app

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/intake"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/schema"
)

// codeSchema is the code of a payload that does not fit the route's schema.
const codeSchema = "schema_mismatch"

// newCheck holds payloads against a route's schema; nil where it has none.
func newCheck(s config.Payloads) (func(data []byte) *callout.Problem, error) {
	if s.Request == "" {
		return nil, nil // everything fits
	}
	loaded, err := schema.Load(s.Request)
	if err != nil {
		return nil, err
	}
	return func(data []byte) *callout.Problem {
		mismatch := loaded.Check(data)
		if mismatch == nil {
			return nil
		}
		return &callout.Problem{
			Status: http.StatusUnprocessableEntity, Code: codeSchema, What: mismatch.What, Field: mismatch.Field, Happened: event.HappenedNo,
			Next: "correct the fields that are named, and send it again; the route's schema is in /callouts/openapi.json",
		}
	}, nil
}

// describedRoutes are the routes that can be called, with their schemas.
func describedRoutes(s config.Settings) ([]openapi.Route, error) {
	var routes []openapi.Route
	for _, name := range slices.Sorted(maps.Keys(s.Routes)) {
		r := s.Routes[name]
		if r.Arrives != config.ArrivesCallout {
			continue
		}
		described := openapi.Route{Name: name, Answer: answerOf(r)}
		for file, to := range map[string]**schema.Schema{r.Schema.Request: &described.Request, r.Schema.Response: &described.Response} {
			if file == "" {
				continue
			}
			loaded, err := schema.Load(file)
			if err != nil {
				return nil, err
			}
			*to = loaded
		}
		routes = append(routes, described)
	}
	return routes, nil
}

func answerOf(r config.Route) openapi.Answer {
	switch mode, _ := r.Callout.Mode(); mode {
	case config.AnswerAccept:
		return openapi.Accepts
	case config.AnswerWaitThenAccept:
		return openapi.WaitsThenAccepts
	}
	return openapi.Waits
}

// descriptionVersion is that of the description, not of the gateway: a new
// gateway must not make every org see a new service.
const descriptionVersion = "1"

// newDescription serves what is called how, for External Services.
func newDescription(s config.Settings, log *slog.Logger) (intake.Beside, error) {
	routes, err := describedRoutes(s)
	if err != nil {
		return intake.Beside{}, err
	}
	doc, omitted, err := openapi.Document(descriptionVersion, routes)
	if err != nil {
		return intake.Beside{}, err
	}
	for _, o := range omitted {
		log.Debug("route not described for External Services", "route", o.Route, "why", o.Why)
	}
	return intake.Beside{Path: openapi.Path, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(doc) // the caller is gone if this fails
	})}, nil
}
