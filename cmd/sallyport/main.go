// Command sallyport carries events between a Salesforce org and an application.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/app"
	"github.com/sallyport-dev/sallyport/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, dependencies())
	stop()
	os.Exit(code)
}

// dependencies joins the assembly to the command line.
func dependencies() cli.Deps {
	d := cli.System()
	d.RunGateway, d.OpenStore, d.OpenQueues, d.GenerateSalesforce = app.RunGateway, app.OpenStore, app.OpenQueues, app.GenerateSalesforce
	d.OpenTrail, d.EncryptionStatus = app.OpenTrail, app.EncryptionStatus
	return d
}
