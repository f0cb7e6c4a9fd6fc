package formula_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/orgsim/formula"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// fields resolves names to constants, so that an expression can be run alone.
type fields struct{}

func (fields) Field(path []string) (string, formula.Kind, error) {
	switch strings.Join(path, ".") {
	case "Amount__c":
		return "12.5", formula.Number, nil
	case "Blank__c":
		return "NULL", formula.Number, nil
	case "Name":
		return "'Acme'", formula.Text, nil
	case "Note__c":
		return "NULL", formula.Text, nil
	case "Account.Name":
		return "'Parent'", formula.Text, nil
	case "Paid__c":
		return "1", formula.Boolean, nil
	case "Due__c": // 2026-08-20
		return "1787184000", formula.Date, nil
	}
	return "", formula.Null, errors.New("no field " + strings.Join(path, "."))
}

// TestCompile_Values runs expressions and compares with results worked out by hand.
func TestCompile_Values(t *testing.T) {
	t.Parallel()
	conn, err := sqlite.OpenConn(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	now := time.Date(2026, 8, 25, 15, 0, 0, 0, time.UTC)
	if err := errors.Join(soql.Register(conn), soql.RegisterClock(conn, func() time.Time { return now })); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ formula, want string }{
		{`1 + 2 * 3`, "7"},
		{`(1 + 2) * 3 - -1`, "10"},
		{`7 / 2`, "3.5"},
		{`1 / 0`, ""},
		{`Amount__c * 2`, "25.0"},
		{`Blank__c + 1`, "1"},
		{`Name & " of " & Account.Name`, "Acme of Parent"},
		{`Name + Note__c`, "Acme"},
		{`IF(Amount__c > 10, "big", 'small')`, "big"},
		{`IF(AND(Paid__c, NOT(ISBLANK(Blank__c))), 1, 2)`, "2"},
		{`OR(FALSE, Paid__c) && !FALSE`, "1"},
		{`Name = "acme"`, "0"},
		{`Name == 'Acme' || FALSE`, "1"},
		{`Note__c = ""`, "1"},
		{`ISBLANK(Note__c)`, "1"},
		{`BLANKVALUE(Blank__c, 9)`, "9"},
		{`CASE(Name, "Beta", 1, "Acme", 2, 3)`, "2"},
		{`TEXT(Amount__c) & TEXT(4) & TEXT(Due__c)`, "12.542026-08-20"},
		{`VALUE("4.5") + 1`, "5.5"},
		{`LEN(Name) + FLOOR(-1.5) + CEILING(1.2) + MOD(7, 3)`, "5"},
		{`LEFT(Name, 2) & RIGHT(Name, 1) & MID(Name, 2, 2) & UPPER("x")`, "AcecmX"},
		{`CONTAINS(Name, "cm") && BEGINS(Name, "Ac") && !BEGINS(Name, "ac")`, "1"},
		{`SUBSTITUTE(Name, "A", "'")`, "'cme"},
		{`ROUND(2.345, 1) + ABS(-1) + MAX(1, 2, 3) + MIN(4, 5)`, "10.3"},
		{`TODAY() - Due__c`, "5.0"},
		{`TEXT(Due__c + 1)`, "2026-08-21"},
		{`YEAR(Due__c) * 10000 + MONTH(Due__c) * 100 + DAY(Due__c)`, "20260820"},
		{`DATE(2026, 8, 20) = Due__c`, "1"},
		{`TEXT(NOW())`, "2026-08-25 15:00:00Z"},
		{`ISPICKVAL(Name, "Acme")`, "1"},
	} {
		expr, err := formula.Parse(test.formula)
		if err != nil {
			t.Errorf("%s: %v", test.formula, err)
			continue
		}
		v, err := expr.Compile(fields{})
		if err != nil {
			t.Errorf("%s: %v", test.formula, err)
			continue
		}
		got := ""
		err = sqlitex.ExecuteTransient(conn, "SELECT "+v.SQL, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			got = stmt.ColumnText(0)
			return nil
		}})
		if err != nil || got != test.want {
			t.Errorf("%s = %q %v, want %q", test.formula, got, err, test.want)
		}
	}
}

func TestFormula_Refusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ formula, want string }{
		{``, "unexpected end of formula at character 1"},
		{`1 +`, "unexpected end of formula at character 4"},
		{`1 2`, "unexpected 2 at character 3"},
		{`"open`, "text is not closed at character 1"},
		{`a # b`, "unexpected '#' at character 3"},
		{`(1`, "unexpected end of formula at character 3"},
		{`1.2.3`, "1.2.3 at character 1 is no number"},
		{`Nope__c`, "no field Nope__c"},
		{`NOPE(1)`, "unknown function NOPE"},
		{`LEN(1)`, "LEN needs text, not number"},
		{`LEN()`, "LEN takes 1 arguments, not 0"},
		{`Name * 2`, "* needs number, not text"},
		{`Name = 1`, "operator = cannot compare text with number"},
		{`IF(1, 2, 3)`, "IF needs checkbox, not number"},
		{`IF(TRUE, 2, "x")`, "IF needs number, not text"},
		{`CASE(1, 2)`, "CASE takes a value, pairs and a default, not 2 arguments"},
		{strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60), "nested too deeply"},
		{strings.Repeat("CEILING(", 40) + "1" + strings.Repeat(")", 40), "too complicated"},
		{strings.Repeat("1", 4_000), "longer than 3900"},
	} {
		expr, err := formula.Parse(test.formula)
		if err == nil {
			_, err = expr.Compile(fields{})
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40s: %v, want %s", test.formula, err, test.want)
		}
	}
}

// FuzzCompile finds no formula that compiles to SQL which the database refuses.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`IF(AND(Paid__c, NOT(ISBLANK(Blank__c))), 1, 2)`, `CASE(Name, "Beta", 1, "Acme", 2, 3)`, `TODAY() - Due__c`, `"a'b" & 'c"d'`,
		`RIGHT(Name, -1)`, `-(-1) - 2`, `!(TRUE) || NULL`, `MIN(1, NULL)`, `BLANKVALUE(NULL, "x") & "y"`, `MOD(1, 0)`,
	} {
		f.Add(seed)
	}
	conn, err := sqlite.OpenConn(":memory:")
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(soql.Register(conn), soql.RegisterClock(conn, time.Now)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		expr, err := formula.Parse(source)
		if err != nil {
			return
		}
		v, err := expr.Compile(fields{})
		if err != nil {
			return
		}
		stmt, _, err := conn.PrepareTransient("SELECT " + v.SQL)
		if err != nil {
			t.Fatalf("%q compiles to %s: %v", source, v.SQL, err)
		}
		if err := stmt.Finalize(); err != nil {
			t.Fatal(err)
		}
	})
}
