// Command audit looks into the store that the product left behind, after its
// end and without its code: it counts rows with SQL of its own, and then asks
// the product's audit whether the ledger adds up.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/internal/store"
)

func main() {
	url := flag.String("store", "", "path of a SQLite file or URL of a PostgreSQL database")
	delivered := flag.Bool("delivered", false, "count delivered events only")
	flag.Parse()
	if err := audit(context.Background(), *url, *delivered); err != nil {
		log.Fatal("audit: ", err)
	}
}

func audit(ctx context.Context, url string, delivered bool) error {
	rows, ids, err := count(ctx, url, delivered)
	if err != nil {
		return err
	}
	m := line.Message{Is: line.Counted, Count: ids, Extra: rows - ids}
	s, err := store.Open(ctx, store.Config{URL: url, Owner: "bench audit", Inspect: true})
	if err != nil {
		return err
	}
	defer s.Close()
	findings, err := s.Audit(ctx)
	if err != nil {
		return err
	}
	var notes []string
	for _, f := range findings {
		notes = append(notes, f.Route+": "+f.What)
	}
	m.Bad, m.Note = int64(len(findings)), strings.Join(notes, "; ")
	return line.NewWriter(os.Stdout).Say(m)
}

func count(ctx context.Context, url string, delivered bool) (rows, ids int64, err error) {
	if strings.HasPrefix(url, "postgres") {
		return countPostgres(ctx, url, delivered)
	}
	return countSQLite(url, delivered)
}

func countSQLite(path string, delivered bool) (rows, ids int64, err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return 0, 0, fmt.Errorf("open store: %w", err)
	}
	defer conn.Close()
	query := "SELECT count(*), count(DISTINCT e.id) FROM events e JOIN payloads p USING (seq)"
	if delivered {
		query += " WHERE e.state = 1"
	}
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		rows, ids = s.ColumnInt64(0), s.ColumnInt64(1)
		return nil
	}})
	return rows, ids, err
}

func countPostgres(ctx context.Context, url string, delivered bool) (rows, ids int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	query := "SELECT count(*), count(DISTINCT e.id) FROM sallyport.events e JOIN sallyport.payloads p USING (seq)"
	if delivered {
		query += " JOIN sallyport.ended d USING (seq) WHERE d.state = 1"
	}
	err = conn.QueryRow(ctx, query).Scan(&rows, &ids)
	return rows, ids, err
}
