package app

import (
	"errors"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/sfdx"
)

// messageTopic is the platform event that the Apex package publishes.
const messageTopic = "/event/Sallyport_Message__e"

// GenerateSalesforce makes the Salesforce side of a configuration: the project's
// files, and what of the configuration is not in it, with the reason. The options are a
// [sfdx.Config] without what the configuration says.
func GenerateSalesforce(s config.Settings, options sfdx.Config) ([]sfdx.File, []string, error) {
	routes, err := describedRoutes(s)
	if err != nil {
		return nil, nil, err
	}
	doc, omitted, err := openapi.Document(descriptionVersion, routes)
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	left := map[string]bool{}
	for _, o := range omitted {
		left[o.Route] = true
		notes = append(notes, "route "+o.Route+" is not in the External Service: "+o.Why)
	}
	for _, r := range routes {
		if !left[r.Name] {
			options.Operations = append(options.Operations, r.OperationName())
		}
	}
	options.Description, options.Routes = doc, salesforceRoutes(s)
	if len(options.Routes) == 0 {
		return nil, nil, &event.Error{
			Op: "make the Salesforce side", Happened: event.HappenedNo, Healing: event.Permanent,
			Err: errors.New("no route is called by Salesforce"), Hint: "add a route with pattern: rest, or with arrives: callout",
		}
	}
	if options.Auth != sfdx.Bearer && len(s.TokenEndpoint.Secrets) == 0 {
		notes = append(notes, "the gateway has no token endpoint, so the External Credential cannot log in: add token_endpoint.secrets and a caller with client_secrets, or generate with --auth bearer")
	}
	files, err := sfdx.Files(options)
	return files, notes, err
}

// salesforceRoutes are the routes that an org calls or publishes to.
func salesforceRoutes(s config.Settings) []sfdx.Route {
	var routes []sfdx.Route
	for _, name := range slices.Sorted(maps.Keys(s.Routes)) {
		r := s.Routes[name]
		switch {
		case r.Arrives == config.ArrivesEvents && slices.Contains(topicsOf(r), messageTopic):
			routes = append(routes, sfdx.Route{Name: name, Transport: sfdx.PlatformEvent})
		case r.Arrives != config.ArrivesCallout:
		case r.Waits != config.WaitsNone && r.Waits != config.WaitsStore: // in a broker
			routes = append(routes, sfdx.Route{Name: name, Transport: sfdx.Queue})
		default:
			out := sfdx.Route{Name: name, Transport: sfdx.Callout}
			if mode, _ := r.Callout.Mode(); mode != config.AnswerAccept {
				out.TimeoutMs = int(r.Callout.Deadline.Milliseconds())
			}
			routes = append(routes, out)
		}
	}
	return routes
}
