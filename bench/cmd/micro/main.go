// Command micro measures Avro to JSON alone and writes one JSON object a
// benchmark. The same benchmarks run under "go test -bench . ./internal/micro".
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"testing"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/micro"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

func main() {
	testing.Init()
	each := flag.String("time", "1s", "time of each benchmark")
	flag.Parse()
	if err := flag.Set("test.benchtime", *each); err != nil {
		log.Fatal("micro: ", err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, change := range []struct {
		name string
		of   backlog.Change
	}{{"create", backlog.Create}, {"update", backlog.Update}} {
		for _, c := range micro.Cases() {
			r := testing.Benchmark(func(b *testing.B) { c.Run(b, change.of) })
			err := out.Encode(result.Micro{
				Kind: "micro", Name: c.Name + ", " + change.name,
				NS:    r.Extra[micro.Metric],
				Bytes: r.AllocedBytesPerOp(), Allocs: r.AllocsPerOp(),
			})
			if err != nil {
				log.Fatal("micro: ", err)
			}
		}
	}
}
