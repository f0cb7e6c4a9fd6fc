package load_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/load"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// ears counts the changes that were told.
type ears struct{ changes int }

func (e *ears) Committed(tx record.Transaction) { e.changes += len(tx.Changes) }

func newConfig(t testing.TB) (load.Config, *ears) {
	t.Helper()
	catalog, err := schema.Parse([]byte(`
objects:
  - name: Account
    fields: [{name: Key__c, type: text, length: 10, unique: true, externalId: true}]
`))
	if err != nil {
		t.Fatal(err)
	}
	heard := &ears{}
	engine, err := record.Open(record.Config{Catalog: catalog, Listener: heard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	user, _ := catalog.Object("User")
	const admin = "005Sp0000000001IAA"
	if _, err := engine.Load(context.Background(), user, []record.Row{{"Id": admin, "Username": "a@b.example", "LastName": "A", "IsActive": true}}); err != nil {
		t.Fatal(err)
	}
	return load.Config{Engine: engine, Actor: record.Actor{User: admin, Origin: "test"}}, heard
}

func count(t testing.TB, cfg load.Config, statement string) int {
	t.Helper()
	result, err := cfg.Engine.Query(context.Background(), statement, false)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result.Total
}

func loadCSV(t *testing.T, cfg load.Config, object, content string) load.Summary {
	t.Helper()
	s, err := load.CSV(t.Context(), cfg, object+".csv", object, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCSV_LoadsRowsAndNamesTheLinesOfBadOnes(t *testing.T) {
	t.Parallel()
	cfg, heard := newConfig(t)
	s := loadCSV(t, cfg, "Account", "\ufeffName,Key__c,NumberOfEmployees,Phone\r\n"+
		"Acme,A,12,\r\n\"Two\nlines\",B,#N/A,1\r\n,C,1,\r\nBad,D,many,\r\nTwice,A,1,\r\nLast,E,7,2\r\n")
	if s.Loaded != 3 || s.Failed != 3 || heard.changes != 3 || count(t, cfg, "SELECT COUNT() FROM Account WHERE NumberOfEmployees = 12") != 1 {
		t.Errorf("%+v, %d changes told", s, heard.changes)
	}
	var told []string
	for _, p := range s.Problems {
		told = append(told, p.String())
	}
	for i, want := range []string{"Account.csv:5: REQUIRED_FIELD_MISSING: ", "Account.csv:6: INVALID_TYPE_ON_FIELD_IN_RECORD: ", "Account.csv:7: DUPLICATE_VALUE: "} {
		if i >= len(told) || !strings.HasPrefix(told[i], want) {
			t.Errorf("problem %d of %q, want %q", i, told, want)
		}
	}
	s = loadCSV(t, cfg, "contact", "LastName,Account.Key__c\nAda,A\nBen,none\n")
	if s.Object != "Contact" || s.Loaded != 1 || s.Failed != 1 || s.Problems[0].Line != 3 || count(t, cfg, "SELECT COUNT() FROM Contact WHERE Account.Name = 'Acme'") != 1 {
		t.Errorf("with parents: %+v", s)
	}
}

func TestCSV_TakesACopyAsItIs(t *testing.T) {
	t.Parallel()
	cfg, heard := newConfig(t)
	content := "Id,Name,CreatedDate,Key__c\n001Sp000000000zIAA,Old,2020-01-02T03:04:05Z,K\n001Sp000000000yIAA,Wrong,someday,\n"
	s := loadCSV(t, cfg, "Account", content)
	if s.Loaded != 1 || s.Failed != 1 || s.Problems[0].Line != 3 || heard.changes != 0 {
		t.Errorf("%+v, %d changes told", s, heard.changes)
	}
	if n := count(t, cfg, "SELECT COUNT() FROM Account WHERE Id = '001Sp000000000zIAA' AND CreatedDate < 2021-01-01T00:00:00Z"); n != 1 {
		t.Error("the row did not keep its Id and date")
	}
}

func TestCSV_RefusesFilesOnTheirFirstLine(t *testing.T) {
	t.Parallel()
	cfg, _ := newConfig(t)
	for content, want := range map[string]string{
		"":                               "Account.csv:1: the file is empty",
		"Nam\nx\n":                       `Account.csv:1: Account has no field "Nam"`,
		"Name,CreatedDate\nx,y\n":        "Account.csv:1: field CreatedDate of Account cannot be set",
		"Name,BillingAddress\nx,y\n":     "Account.csv:1: field BillingAddress of Account cannot be set",
		"Name,Parent.Nope\nx,y\n":        "Account.csv:1: Account has no parent Parent",
		"Id,Owner.Name\nx,y\n":           "Account.csv:1: column Owner.Name: a file with an Id column",
		"Name\nok\n\"open\nnever closed": "Account.csv:3: extraneous or missing \" in quoted-field",
		"Name,Phone\nok,1\nshort\n":      "Account.csv:3: wrong number of fields",
	} {
		if s := loadCSV(t, cfg, "Account", content); len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].String(), want) {
			t.Errorf("%q: %v, want %s", content, s.Problems, want)
		}
	}
	if _, err := load.CSV(t.Context(), cfg, "x.csv", "Nothing", strings.NewReader("Name\n")); err == nil {
		t.Error("an unknown object was taken")
	}
}

func TestCSV_ManyRowsTakeManyTransactions(t *testing.T) {
	t.Parallel()
	cfg, heard := newConfig(t)
	var b strings.Builder
	b.WriteString("Name\n")
	for i := range 450 {
		fmt.Fprintf(&b, "A%d\n", i)
	}
	if s := loadCSV(t, cfg, "Account", b.String()); s.Loaded != 450 || heard.changes != 450 {
		t.Errorf("%+v, %d changes", s, heard.changes)
	}
}

const accounts = `{
  "records": [
    {
      "attributes": {"type": "Account", "referenceId": "AccountRef1"},
      "Name": "Acme",
      "NumberOfEmployees": 12
    },
    {
      "attributes": {"type": "Account", "referenceId": "AccountRef2"},
      "Name": "Below",
      "ParentId": "@AccountRef1",
      "Contacts": {
        "records": [
          {"attributes": {"type": "Contact", "referenceId": "C1"}, "LastName": "Ada"}
        ]
      }
    }
  ]
}`

func TestTree_LoadsNestedAndReferencedRecords(t *testing.T) {
	t.Parallel()
	cfg, heard := newConfig(t)
	summaries, err := load.Tree(t.Context(), cfg, []load.File{
		{Name: "Accounts.json", Content: accounts},
		{Name: "Contacts.json", Content: `{"records":[{"attributes":{"type":"Contact","referenceId":"C2"},"LastName":"Ben","AccountId":"@AccountRef1"}]}`},
	})
	if err != nil || len(summaries) != 2 || summaries[0].Loaded != 3 || summaries[1].Loaded != 1 || heard.changes != 4 {
		t.Fatalf("%+v, %v, %d changes", summaries, err, heard.changes)
	}
	for statement, want := range map[string]int{
		"SELECT COUNT() FROM Account WHERE Parent.Name = 'Acme'":                        1,
		"SELECT COUNT() FROM Contact WHERE Account.Name = 'Below' AND LastName = 'Ada'": 1,
		"SELECT COUNT() FROM Contact WHERE Account.Name = 'Acme' AND LastName = 'Ben'":  1,
	} {
		if n := count(t, cfg, statement); n != want {
			t.Errorf("%s: %d", statement, n)
		}
	}
}

func TestTree_AllOrNoneWithTheLineOfTheField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, want string }{
		"bad value":         {strings.Replace(accounts, `"NumberOfEmployees": 12`, `"NumberOfEmployees": "many"`, 1), "A.json:6: INVALID_TYPE_ON_FIELD_IN_RECORD: "},
		"unknown reference": {strings.Replace(accounts, "@AccountRef1", "@AccountRef9", 1), `A.json:11: no record before this one has the referenceId "AccountRef9"`},
		"unknown field":     {strings.Replace(accounts, `"Name": "Below"`, `"Nam": "Below"`, 1), "A.json:8: "},
		"unknown type":      {strings.Replace(accounts, `"type": "Contact"`, `"type": "Contract9"`, 1), `A.json:14: the org has no object "Contract9"`},
		"unknown children":  {strings.Replace(accounts, `"Contacts"`, `"People"`, 1), `A.json:14: Account has no children "People"`},
		"broken JSON":       {strings.Replace(accounts, `"Name": "Below",`, `"Name": "Below"`, 1), "A.json:11: invalid character"},
		"no records":        {`{"record": []}`, `A.json:1: want an object with "records"`},
		"no object":         {"[1,\n2]", "A.json:1: want an object here"},
	} {
		cfg, heard := newConfig(t)
		summaries, err := load.Tree(t.Context(), cfg, []load.File{{Name: "A.json", Content: c.content}})
		if err != nil || len(summaries) != 1 || len(summaries[0].Problems) == 0 || !strings.HasPrefix(summaries[0].Problems[0].String(), c.want) {
			t.Errorf("%s: %+v, %v, want %s", name, summaries, err, c.want)
		}
		if n := count(t, cfg, "SELECT COUNT() FROM Account"); n != 0 || heard.changes != 0 || summaries[0].Loaded != 0 {
			t.Errorf("%s: %d accounts were loaded, %d changes told", name, n, heard.changes)
		}
	}
}

func FuzzTree(f *testing.F) {
	f.Add(accounts)
	f.Add(`{"records":[{"attributes":{"type":"Account"},"Name":"@"}]}`)
	f.Add(`{"records":[{"Contacts":{"records":[{}]}}]}`)
	f.Add("{\"records\":[\n\n{")
	cfg, _ := newConfig(f)
	f.Fuzz(func(t *testing.T, content string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		summaries, err := load.Tree(ctx, cfg, []load.File{{Name: "f.json", Content: content}})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(content, "\n") + 1
		for _, p := range summaries[0].Problems {
			if p.Line < 1 || p.Line > lines {
				t.Fatalf("line %d of %d: %v", p.Line, lines, p)
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add("Name,Key__c\nA,1\n")
	f.Add("Id,Name\n001Sp000000000zIAA,x\n")
	f.Add("Name,Parent.Key__c\n\"a\"\"b\",x\n")
	cfg, _ := newConfig(f)
	f.Fuzz(func(t *testing.T, content string) {
		if _, err := load.CSV(t.Context(), cfg, "f.csv", "Account", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	})
}
