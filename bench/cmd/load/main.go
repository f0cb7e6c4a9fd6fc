// Command load makes HTTP requests and says, as one line of JSON, how long they took.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"

	"github.com/sallyport-dev/sallyport/bench/internal/load"
)

func main() {
	var cfg load.Config
	flag.StringVar(&cfg.Address, "address", "", "host:port")
	flag.StringVar(&cfg.Path, "path", "/", "path")
	flag.StringVar(&cfg.Token, "token", "", "bearer token")
	flag.BoolVar(&cfg.Keyed, "keyed", false, "send an Idempotency-Key")
	flag.IntVar(&cfg.Connections, "connections", 64, "connections")
	flag.Int64Var(&cfg.Events, "events", 100_000, "requests, the warm-up included")
	flag.Int64Var(&cfg.Warm, "warm", 10_000, "requests that do not count")
	flag.Float64Var(&cfg.Rate, "rate", 0, "requests a second; 0 for as fast as answers come")
	flag.IntVar(&cfg.Want, "want", 202, "status of a good answer")
	flag.Parse()
	r, err := load.Run(cfg)
	if err != nil {
		log.Fatal("load: ", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		log.Fatal("load: ", err)
	}
}
