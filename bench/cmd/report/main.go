// Command report writes the tables of a file of results into the README, between
// its two marks.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/bench/internal/conduct"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

const (
	begin = "<!-- results: written by scripts/bench.sh -->"
	end   = "<!-- end of results -->"
)

func main() {
	readme := flag.String("readme", "", "README to write into; empty prints the tables")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("report: want one file of results")
	}
	if err := report(*readme, flag.Arg(0)); err != nil {
		log.Fatal("report: ", err)
	}
}

func report(readme, file string) error {
	set, err := result.Read(file)
	if err != nil {
		return err
	}
	tables := set.Markdown(file, goals())
	if readme == "" {
		fmt.Print(tables)
		return nil
	}
	text, err := os.ReadFile(readme) // given by the script
	if err != nil {
		return fmt.Errorf("read README: %w", err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s lacks the marks between which the tables go", readme)
	}
	text = []byte(head + begin + "\n\n" + tables + "\n" + end + tail)
	if err := os.WriteFile(readme, text, 0o644); err != nil { // a README is public
		return fmt.Errorf("write README: %w", err)
	}
	return nil
}

func goals() []result.Goal {
	return []result.Goal{
		{Case: conduct.Durable, Program: "product, SQLite", Against: "limit", AtLeast: 0.70},
		{Case: conduct.Decoded, Program: "product, SQLite", Against: "salesforce-pubsub-api-client", AtLeast: 3},
		{Case: conduct.Decoded, Program: "product, SQLite", Against: "hamba/avro + encoding/json", AtLeast: 1.8},
		{Case: conduct.Delivered, Program: "product, SQLite", Against: "limit", AtLeast: 0.50},
		{Case: conduct.Delivered, Program: "product, PostgreSQL", Against: "limit", AtLeast: 0.50},
		{Case: conduct.CaughtUp, Program: "product, SQLite", Against: "limit", AtLeast: 0.50},
		{Case: conduct.Worked, Program: "product, SQLite, batches of 200", Against: "limit, one by one", AtLeast: 1},
	}
}
