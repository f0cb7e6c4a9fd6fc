package soql

import (
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/formula"
)

// Collation is the name of the collation text columns are declared with: the org
// compares text without regard to case.
const Collation = "SALESFORCE"

// foldFunction lowers the case of text for LIKE patterns beyond ASCII, which
// SQLite's own LIKE does not fold.
const foldFunction = "soql_fold"

// Register prepares a connection to run compiled statements.
func Register(conn *sqlite.Conn) error {
	if err := conn.SetCollation(Collation, compareFold); err != nil {
		return fmt.Errorf("register collation: %w", err)
	}
	err := conn.CreateFunction(foldFunction, &sqlite.FunctionImpl{
		NArgs: 1, Deterministic: true,
		Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			if args[0].Type() == sqlite.TypeNull {
				return sqlite.Value{}, nil
			}
			return sqlite.TextValue(strings.ToLower(args[0].Text())), nil
		},
	})
	if err != nil {
		return fmt.Errorf("register %s: %w", foldFunction, err)
	}
	err = conn.CreateFunction(distanceFunction, &sqlite.FunctionImpl{NArgs: 4, Deterministic: true, Scalar: distanceOf})
	if err != nil {
		return fmt.Errorf("register %s: %w", distanceFunction, err)
	}
	err = conn.CreateFunction(matchFunction, &sqlite.FunctionImpl{NArgs: 2, Deterministic: true, Scalar: matchOf})
	if err != nil {
		return fmt.Errorf("register %s: %w", matchFunction, err)
	}
	return nil
}

// distanceOf is null when a place is not known.
func distanceOf(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	for _, arg := range args {
		if arg.Type() == sqlite.TypeNull {
			return sqlite.Value{}, nil
		}
	}
	return sqlite.FloatValue(haversine(args[0].Float(), args[1].Float(), args[2].Float(), args[3].Float())), nil
}

// RegisterClock gives a connection the org's time, which formulas ask for.
func RegisterClock(conn *sqlite.Conn, now func() time.Time) error {
	err := conn.CreateFunction(formula.NowFunction, &sqlite.FunctionImpl{
		NArgs: 0,
		Scalar: func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
			return sqlite.IntegerValue(now().Unix()), nil
		},
	})
	if err != nil {
		return fmt.Errorf("register %s: %w", formula.NowFunction, err)
	}
	return nil
}

// Quote makes a name safe as an SQL identifier.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// compareFold orders text without regard to case. ASCII, nearly all of it, is
// compared without allocating.
func compareFold(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := lower(a[i]), lower(b[i])
		if x >= 0x80 || y >= 0x80 {
			return strings.Compare(strings.ToLower(a[i:]), strings.ToLower(b[i:]))
		}
		if x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
