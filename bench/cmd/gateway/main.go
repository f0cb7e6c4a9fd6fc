// Command gateway is "sallyport run" with a CPU profile: the product as
// cmd/sallyport builds it, for those who want to know what its time goes to.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport-dev/sallyport/bench/internal/profile"
	"github.com/sallyport-dev/sallyport/internal/app"
	"github.com/sallyport-dev/sallyport/internal/cli"
)

func main() {
	path := flag.String("profile", "", "file for the CPU profile")
	flag.Parse()
	os.Args = append(os.Args[:1], flag.Args()...)
	stop, err := profile.Start(*path)
	if err != nil {
		log.Fatal("gateway: ", err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := cli.System()
	d.RunGateway = app.RunGateway
	code := cli.Main(ctx, d)
	cancel()
	stop()
	os.Exit(code)
}
