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
	done := map[int64]bool{}
	if err := sqlitex.ExecuteTransient(conn, "SELECT seq FROM progress WHERE state = 1", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		done[s.ColumnInt64(0)] = true
		return nil
	}}); err != nil {
		return 0, 0, err
	}
	different := map[string]bool{}
	const query = "SELECT b.first, b.n, t.data, length(o.data) FROM batches b JOIN traits t USING (first) JOIN bodies o USING (first)"
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		found, bytes, err := idsOf(s.ColumnText(2))
		if err != nil || len(found) != s.ColumnInt(1) || bytes != s.ColumnInt(3) {
			return fmt.Errorf("batch %d: %d ids, payloads of %d bytes, want %d in %d: %w", s.ColumnInt64(0), len(found), bytes, s.ColumnInt(1), s.ColumnInt(3), err)
		}
		for i, id := range found {
			if delivered && !done[s.ColumnInt64(0)+int64(i)] {
				continue
			}
			rows++
			different[id] = true
		}
		return nil
	}})
	return rows, int64(len(different)), err
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
