package postgres_test

import (
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestTrail(t *testing.T) {
	t.Parallel()
	storetest.RunTrail(t, func(t *testing.T) *storetest.Trail {
		db := testkit.Postgres(t)
		return &storetest.Trail{
			Harness: harnessOn(t, db, func(c *contract.Config) { c.Trail.Routes = []string{"orders"} }),
			Flip: func(t testing.TB, table, column string, number int64) {
				value := column + " # 1048576"
				switch column {
				case "body", "hash", "prev", "digest", "signature":
					value = fmt.Sprintf(`CASE WHEN length(%[1]s) = 0 THEN '!'::bytea WHEN %[1]s = '!'::bytea THEN ''::bytea
						ELSE set_byte(%[1]s, length(%[1]s) / 2, get_byte(%[1]s, length(%[1]s) / 2) # 1) END`, column)
				case "route", "key":
					value = fmt.Sprintf("translate(%s, 'eo0123456789abcdf', 'oe1032547698badcf')", column)
				}
				statement := "UPDATE " + table + " SET " + column + " = " + value + " WHERE number = $1"
				if column == "number" {
					// An identity cannot be updated while it is one.
					execute(t, db, "ALTER TABLE "+table+" ALTER COLUMN number DROP IDENTITY IF EXISTS")
				}
				if n := execute(t, db, statement, number); n != 1 {
					t.Fatalf("%d rows changed", n)
				}
			},
			Remove: func(t testing.TB, table string, number int64) {
				if n := execute(t, db, "DELETE FROM "+table+" WHERE number = $1", number); n != 1 {
					t.Fatalf("%d rows removed", n)
				}
			},
		}
	})
}
