package restapi_test

import (
	"fmt"
	"strings"
	"testing"
)

const family = `{"records":[
{"attributes":{"type":"Account","referenceId":"ref1"},"Name":"A","Contacts":{"records":[
  {"attributes":{"type":"Contact","referenceId":"ref2"},"LastName":"B"},
  {"attributes":{"type":"Contact","referenceId":"ref3"},"LastName":"C","Email":"%s"}]}},
{"attributes":{"type":"Account","referenceId":"ref4"},"Name":"D"}]}`

func TestTree_LevelByLevel(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/composite/tree/Account/", fmt.Sprintf(family, "c@sim.example")).want(t, 201, `{"hasErrors":false,"results":[`+
		`{"referenceId":"ref1","id":"`+firstAccount+`"},{"referenceId":"ref4","id":"`+secondAccount+`"},`+
		`{"referenceId":"ref2","id":"003Sp0000000001IAA"},{"referenceId":"ref3","id":"003Sp0000000002IAA"}]}`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Contact WHERE Account.Name = 'A'"), "").want(t, 200, `{"totalSize":2,"done":true,"records":[]}`)
	if txs := o.heard.all(); len(txs) != 1 || len(txs[0].Changes) != 4 {
		t.Errorf("told %+v, want one transaction", txs)
	}
}

func TestTree_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/composite/tree/Account", fmt.Sprintf(family, "nobody")).want(t, 400, `{"hasErrors":true,"results":[{"referenceId":"ref3","errors":[`+
		`{"fields":["Email"],"message":"Email: invalid email address: nobody","statusCode":"INVALID_EMAIL_ADDRESS"}]}]}`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
	one := func(reference string) string {
		return `{"attributes":{"type":"Account","referenceId":"` + reference + `"},"Name":"A"}`
	}
	o.call("POST", v67+"/composite/tree/Account", `{"records":[`+one("r")+`,`+one("r")+`]}`).want(t, 400, `{"hasErrors":true,"results":[{"referenceId":"r","errors":[`+
		`{"fields":[],"message":"Duplicate ReferenceId provided in the request.","statusCode":"INVALID_INPUT"}]}]}`)
	many := make([]string, 201)
	for i := range many {
		many[i] = one(fmt.Sprint("r", i))
	}
	if a := o.call("POST", v67+"/composite/tree/Account", `{"records":[`+strings.Join(many, ",")+`]}`); a.status != 400 || !strings.Contains(a.body, "up to 200 records") {
		t.Errorf("201 records: %d %s", a.status, a.body)
	}
	if a := o.call("POST", v67+"/composite/tree/Account", `{"records":[`+strings.Join(many[:200], ",")+`]}`); a.status != 201 {
		t.Errorf("200 records: %d %s", a.status, a.body)
	}
	deep := one("r6")
	for level := 5; level >= 1; level-- {
		deep = strings.TrimSuffix(one(fmt.Sprint("r", level)), "}") + `,"ChildAccounts":{"records":[` + deep + `]}}`
	}
	if a := o.call("POST", v67+"/composite/tree/Account", `{"records":[`+deep+`]}`); a.status != 400 || !strings.Contains(a.body, "5 levels deep") {
		t.Errorf("six levels: %d %s", a.status, a.body)
	}
	o.call("POST", v67+"/composite/tree/Foo", `{"records":[]}`).want(t, 404, `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)
	o.call("GET", v67+"/composite/tree/Account", "").want(t, 405, `[{"errorCode":"METHOD_NOT_ALLOWED","message":"HTTP Method 'GET' not allowed. Allowed are POST"}]`)
}

func node(method, url, reference, body string) string {
	return `{"method":"` + method + `","url":"` + v67 + url + `","referenceId":"` + reference + `","body":` + body + `}`
}

const haltedBody = `[{"errorCode":"PROCESSING_HALTED","message":"The transaction was rolled back since another operation in the same transaction failed."}]`

// TestGraph_EachForItself has a good graph, whose nodes are not in the order of
// their references, and a bad one.
func TestGraph_EachForItself(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/composite/graph", `{"graphs":[{"graphId":"g1","compositeRequest":[`+
		node("POST", "/sobjects/Contact", "con", `{"LastName":"B","AccountId":"@{acc.id}"}`)+`,`+
		node("POST", "/sobjects/Account", "acc", `{"Name":"A"}`)+`]},{"graphId":"g2","compositeRequest":[`+
		node("POST", "/sobjects/Account", "acc", `{"Name":"Gone"}`)+`,`+node("POST", "/sobjects/Contact", "con", `{"AccountId":"@{acc.id}"}`)+`]}]}`).
		want(t, 200, `{"graphs":[{"graphId":"g1","graphResponse":{"compositeResponse":[`+
			`{"body":`+ok("003Sp0000000001IAA")+`,"httpHeaders":{"Location":"/services/data/v67.0/sobjects/Contact/003Sp0000000001IAA"},"httpStatusCode":201,"referenceId":"con"},`+
			`{"body":`+ok(firstAccount)+`,"httpHeaders":{"Location":"/services/data/v67.0/sobjects/Account/`+firstAccount+`"},"httpStatusCode":201,"referenceId":"acc"}]},"isSuccessful":true},`+
			`{"graphId":"g2","graphResponse":{"compositeResponse":[{"body":`+haltedBody+`,"httpHeaders":{},"httpStatusCode":400,"referenceId":"acc"},`+
			`{"body":[{"errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"],"message":"Required fields are missing: [LastName]"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"con"}]},"isSuccessful":false}]}`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":1,"done":true,"records":[]}`)
}

func TestGraph_HaltsAfterFourteenFailures(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	var graphs []string
	for i := range 16 {
		body := `{}`
		if i == 15 {
			body = `{"Name":"never tried"}`
		}
		graphs = append(graphs, fmt.Sprintf(`{"graphId":"g%d","compositeRequest":[%s]}`, i, node("POST", "/sobjects/Account", "a", body)))
	}
	a := o.call("POST", v67+"/composite/graph", `{"graphs":[`+strings.Join(graphs, ",")+`]}`)
	if n := strings.Count(a.body, "REQUIRED_FIELD_MISSING"); n != 14 {
		t.Errorf("%d graphs were tried, want 14: %s", n, a.body)
	}
	if n := strings.Count(a.body, haltedBody); n != 2 {
		t.Errorf("%d graphs were halted, want 2", n)
	}
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
}

func TestGraph_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	cycle := node("POST", "/sobjects/Account", "a", `{"Name":"@{b.id}"}`) + `,` + node("POST", "/sobjects/Account", "b", `{"Name":"@{a.id}"}`)
	for _, test := range []struct{ graphs, want string }{
		{`{"graphId":"a.b","compositeRequest":[` + node("POST", "/sobjects/Account", "a", "{}") + `]}`, "INVALID_INPUT"},
		{`{"graphId":"g","compositeRequest":[]}`, "INVALID_INPUT"},
		{`{"graphId":"g","compositeRequest":[` + node("GET", "/query?q=SELECT Id FROM Account", "a", "null") + `]}`, "This URL is not supported in a composite graph"},
		{`{"graphId":"g","compositeRequest":[` + cycle + `]}`, "Cyclic reference"},
		{strings.TrimSuffix(strings.Repeat(`{"graphId":"g","compositeRequest":[`+node("POST", "/sobjects/Account", "a", "{}")+`]},`, 76), ","), "more than 75 graphs"},
	} {
		if a := o.call("POST", v67+"/composite/graph", `{"graphs":[`+test.graphs+`]}`); !strings.Contains(a.body, test.want) {
			t.Errorf("got %d %s, want %s", a.status, a.body, test.want)
		}
	}
}
