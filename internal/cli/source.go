package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
)

// The values of --via.
const (
	viaAuto    = "auto"
	viaGateway = "gateway"
	viaStore   = "store"
)

// readFlags adds the flags of every command that reads from a gateway or store.
func (a *app) readFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, as described in docs/cli-json.md")
	cmd.Flags().StringVar(&a.via, "via", viaAuto, "whom to `ask`: gateway, store, or auto (the store when no gateway runs)")
}

// ask puts a question to whoever can answer it (the running gateway, or else the
// store itself) and says on standard error which one it was.
func ask[T any](ctx context.Context, a *app, question func(context.Context, control.API) (T, error)) (answer T, err error) {
	sections := []string{"control", "store"}
	if a.payload { // what must be opened and masked
		sections = append(sections, "encryption", "routes")
	}
	settings, err := a.settings(sections...)
	if err != nil {
		return answer, err
	}
	if a.via != viaAuto && a.via != viaGateway && a.via != viaStore {
		return answer, usage(fmt.Errorf("--via %s is neither auto nor gateway nor store", a.via), "")
	}
	if a.via != viaStore {
		answer, err = askGateway(ctx, a, settings.Control, question)
		if a.via == viaGateway || a.OpenStore == nil || !errors.Is(err, control.ErrUnreachable) {
			return answer, err
		}
		a.say("no gateway answers at %s", settings.Control.Listen)
	}
	return askStore(ctx, a, settings, question)
}

func askGateway[T any](ctx context.Context, a *app, c config.Control, question func(context.Context, control.API) (T, error)) (answer T, err error) {
	client, err := control.NewClient(control.ClientConfig{Address: c.Listen, Token: c.Token})
	if err != nil {
		return answer, err
	}
	defer client.Close()
	answer, err = question(ctx, client)
	if err == nil {
		a.say("answered by the gateway at %s", client.Address())
	}
	return answer, err
}

func askStore[T any](ctx context.Context, a *app, s config.Settings, question func(context.Context, control.API) (T, error)) (answer T, err error) {
	if a.OpenStore == nil {
		return answer, errors.New("this build cannot open a store")
	}
	opened, err := a.OpenStore(ctx, s)
	if err != nil {
		return answer, fmt.Errorf("open store %s: %w", s.Store.URL, err)
	}
	answer, err = question(ctx, opened.API)
	if err == nil {
		a.say("answered by the store %s", s.Store.URL)
	}
	return answer, errors.Join(err, opened.Close())
}

// say tells something about the data, beside it.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.Stderr, "# "+format+"\n", args...) }
