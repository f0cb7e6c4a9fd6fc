package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/intake"
	"github.com/sallyport-dev/sallyport/internal/outbound"
)

// orgPatience is how long an outbound message waits for the gateway's login to
// tell which org is ours.
const orgPatience = 2 * time.Second

// addOutbound builds what takes outbound messages; nothing where no route does.
func (g *Gateway) addOutbound(s config.Settings, bindings []binding, org *wires, registry *prometheus.Registry) ([]intake.Beside, error) {
	receivers := map[string]*outbound.Receiver{}
	var metrics *outbound.Metrics
	for _, b := range bindings {
		if b.settings.Arrives != config.ArrivesOutboundMessage {
			continue
		}
		if metrics == nil {
			metrics = outbound.NewMetrics(registry)
		}
		var err error
		receivers[b.route.Name()], err = outbound.New(outbound.Config{
			MaxBody: int64(s.Listen.MaxBody), Remember: b.settings.Remember, OrgIDs: b.settings.Outbound.OrgIDs, OrgFunc: orgOf(org),
		}, outbound.Deps{Route: b.route, Intake: g.rooms, Metrics: metrics, Log: g.log.With("component", "outbound messages")})
		if err != nil {
			return nil, err
		}
	}
	if len(receivers) == 0 {
		return nil, nil
	}
	return []intake.Beside{{Path: outbound.Prefix, Handler: outbound.Handler(receivers)}}, nil
}

// orgOf tells the Id of the org that the gateway logs in to, "" while it cannot.
func orgOf(org *wires) func(context.Context) string {
	if org == nil {
		return nil
	}
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, orgPatience)
		defer cancel()
		token, err := org.tokens.Token(ctx)
		if err != nil {
			return ""
		}
		return string(token.OrgID)
	}
}
