package restapi_test

import (
	"strings"
	"testing"
)

const (
	firstAccount  = "001Sp0000000001IAA"
	secondAccount = "001Sp0000000002IAA"
	missingName   = `{"success":false,"errors":[{"fields":["Name"],"message":"Required fields are missing: [Name]","statusCode":"REQUIRED_FIELD_MISSING"}]}`
	duplicateKey  = `{"success":false,"errors":[{"fields":["External_Id__c"],"message":"Duplicate external id specified: 3","statusCode":"DUPLICATE_VALUE"}]}`
	rolledBack    = `{"success":false,"errors":[{"fields":[],"message":"Record rolled back because not all records were valid and the request was using AllOrNone header","statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK"}]}`
)

func ok(id string) string { return `{"id":"` + id + `","success":true,"errors":[]}` }

func TestCollections_LifeOfRecords(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const path = v67 + "/composite/sobjects"
	o.call("POST", path+"/", `{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Account"}},{"attributes":{"type":"Account"},"Name":"B"}]}`).
		want(t, 200, `[`+ok(firstAccount)+`,`+missingName+`,`+ok(secondAccount)+`]`)
	if txs := o.heard.all(); len(txs) != 1 || len(txs[0].Changes) != 2 {
		t.Errorf("told %+v, want one transaction with the two that were saved", txs)
	}
	o.call("PATCH", path, `{"records":[{"attributes":{"type":"Account"},"id":"`+firstAccount+`","Phone":"1"},{"attributes":{"type":"Account"},"Id":"001Sp0000000009IAA","Phone":"1"},{"attributes":{"type":"Account"},"Phone":"1"}]}`).
		want(t, 200, `[`+ok(firstAccount)+`,{"success":false,"errors":[{"fields":[],"message":"invalid cross reference id","statusCode":"INVALID_CROSS_REFERENCE_KEY"}]},`+
			`{"success":false,"errors":[{"fields":[],"message":"Id not specified in an update call","statusCode":"MISSING_ARGUMENT"}]}]`)
	record := func(id, name, phone string) string {
		return `{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/` + id + `"},"Name":"` + name + `","Phone":` + phone + `,"Id":"` + id + `"}`
	}
	want := `[` + record(secondAccount, "B", "null") + `,null,` + record(firstAccount, "A", `"1"`) + `]`
	o.call("GET", path+"/Account?ids="+secondAccount+",001Sp0000000009IAA,"+firstAccount+"&fields=Name,Phone", "").want(t, 200, want)
	o.call("POST", path+"/Account", `{"ids":["`+secondAccount+`","001Sp0000000009IAA","`+firstAccount+`"],"fields":["Name","Phone"]}`).want(t, 200, want)
	o.call("DELETE", path+"?ids="+firstAccount+",001Sp0000000009IAA&allOrNone=false", "").want(t, 200,
		`[`+ok(firstAccount)+`,{"success":false,"errors":[{"fields":[],"message":"invalid cross reference id","statusCode":"INVALID_CROSS_REFERENCE_KEY"}]}]`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":1,"done":true,"records":[]}`)
}

func TestCollections_AllOrNone(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/composite/sobjects", `{"allOrNone":true,"records":[{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Account"}}]}`).
		want(t, 200, `[`+rolledBack+`,`+missingName+`]`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
	if txs := o.heard.all(); len(txs) != 0 {
		t.Errorf("told %+v", txs)
	}
}

func TestCollections_Upsert(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	body := `{"records":[{"attributes":{"type":"Account"},"External_Id__c":"1","Name":"A"},{"attributes":{"type":"Account"},"external_id__c":"2","Name":"B"},{"attributes":{"type":"Account"},"External_Id__c":"3","Name":"C"},{"attributes":{"type":"Account"},"External_Id__c":"3","Name":"D"}]}`
	o.call("PATCH", v67+"/composite/sobjects/Account/External_Id__c", body).want(t, 200, `[{"id":"`+firstAccount+`","success":true,"errors":[],"created":true},`+
		`{"id":"`+secondAccount+`","success":true,"errors":[],"created":true},`+duplicateKey+`,`+duplicateKey+`]`)
	o.call("PATCH", v67+"/composite/sobjects/Account/External_Id__c", `{"records":[{"attributes":{"type":"Account"},"External_Id__c":"1","Name":"C"}]}`).
		want(t, 200, `[{"id":"`+firstAccount+`","success":true,"errors":[],"created":false}]`)
}

func TestCollections_Limits(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	row := `{"attributes":{"type":"Account"},"Name":"A"}`
	o.call("POST", v67+"/composite/sobjects", `{"records":[`+strings.Repeat(row+",", 200)+row+`]}`).want(t, 400,
		`[{"errorCode":"EXCEEDED_ID_LIMIT","message":"record limit reached. cannot submit more than 200 records into this call"}]`)
	o.call("POST", v67+"/composite/sobjects", `{"records":[{"attributes":{"type":"Foo"}}]}`).want(t, 400,
		`[{"errorCode":"INVALID_TYPE","message":"sObject type 'Foo' is not supported."}]`)
	o.call("POST", v67+"/composite/sobjects", `{"records":[{"attributes":{"type":"Order_Event__e"},"Status__c":"x"},{"attributes":{"type":"Order_Event__e"},"X__c":1}]}`).
		want(t, 200, `[`+enqueued+`,{"success":false,"errors":[{"fields":[],"message":"No such column 'X__c' on sobject of type Order_Event__e","statusCode":"INVALID_FIELD"}]}]`)
}

const compositeBody = `{"allOrNone":%,"compositeRequest":[
{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"acc","body":{"Name":"A"}},
{"method":"POST","url":"/services/data/v67.0/sobjects/Contact","referenceId":"con","body":{"LastName":"B","AccountId":"@{acc.id}"}},
{"method":"GET","url":"/services/data/v67.0/query?q=SELECT Id,Account.Name FROM Contact","referenceId":"q"},
{"method":"GET","url":"/services/data/v67.0/sobjects/Account/@{q.records[0].Account.Nope}","referenceId":"bad"}]}`

func TestComposite_References(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const contact = "003Sp0000000001IAA"
	o.call("POST", v67+"/composite", strings.Replace(compositeBody, "%", "false", 1)).want(t, 200, `{"compositeResponse":[`+
		`{"body":`+ok(firstAccount)+`,"httpHeaders":{"Location":"/services/data/v67.0/sobjects/Account/`+firstAccount+`"},"httpStatusCode":201,"referenceId":"acc"},`+
		`{"body":`+ok(contact)+`,"httpHeaders":{"Location":"/services/data/v67.0/sobjects/Contact/`+contact+`"},"httpStatusCode":201,"referenceId":"con"},`+
		`{"body":{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/`+contact+`"},"Id":"`+contact+`",`+
		`"Account":{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+firstAccount+`"},"Name":"A"}}]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"q"},`+
		`{"body":[{"errorCode":"PROCESSING_HALTED","message":"Invalid reference specified. No value for q.records[0].Account.Nope found in q"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"bad"}]}`)
	if txs := o.heard.all(); len(txs) != 2 {
		t.Errorf("%d transactions told, want one for each part that wrote", len(txs))
	}
}

func TestComposite_AllOrNone(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const halted = `{"body":[{"errorCode":"PROCESSING_HALTED","message":"The transaction was rolled back since another operation in the same transaction failed."}],"httpHeaders":{},"httpStatusCode":400,"referenceId":`
	o.call("POST", v67+"/composite", strings.Replace(compositeBody, "%", "true", 1)).want(t, 200, `{"compositeResponse":[`+
		halted+`"acc"},`+halted+`"con"},`+halted+`"q"},`+
		`{"body":[{"errorCode":"PROCESSING_HALTED","message":"Invalid reference specified. No value for q.records[0].Account.Nope found in q"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"bad"}]}`)
	if txs := o.heard.all(); len(txs) != 0 {
		t.Errorf("told %+v", txs)
	}
	good := strings.Replace(compositeBody, "@{q.records[0].Account.Nope}", "@{acc.id}", 1)
	if a := o.call("POST", v67+"/composite", strings.Replace(good, "%", "true", 1)); strings.Contains(a.body, "PROCESSING_HALTED") {
		t.Errorf("got %s", a.body)
	}
	if txs := o.heard.all(); len(txs) != 1 || len(txs[0].Changes) != 2 {
		t.Errorf("told %+v, want one transaction", txs)
	}
}

func TestComposite_Batch(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	body := `{"haltOnError":true,"batchRequests":[{"method":"POST","url":"v67.0/sobjects/Account","richInput":{"Name":"A"}},` +
		`{"method":"GET","url":"v67.0/sobjects/Account/001Sp0000000009IAA"},{"method":"GET","url":"v67.0/limits"}]}`
	o.call("POST", v67+"/composite/batch", body).want(t, 200, `{"hasErrors":true,"results":[{"statusCode":201,"result":`+ok(firstAccount)+`},`+
		`{"statusCode":404,"result":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]},`+
		`{"statusCode":412,"result":[{"errorCode":"BATCH_PROCESSING_HALTED","message":"Batch processing was halted as per request"}]}]}`)
	if a := o.call("POST", v67+"/composite", `{"compositeRequest":[{"method":"POST","url":"/services/data/v67.0/composite/batch","referenceId":"a","body":{}}]}`); !strings.Contains(a.body, "do not nest") {
		t.Errorf("a nested call is answered %s", a.body)
	}
}

func TestCollections_RepeatedIDs(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.create("Account", `{"Name":"A"}`)
	o.create("Account", `{"Name":"B"}`)
	const twice = `{"success":false,"errors":[{"fields":[],"message":"duplicate id in list: ` + firstAccount + `","statusCode":"DUPLICATE_VALUE"}]}`
	row := func(id string) string { return `{"attributes":{"type":"Account"},"id":"` + id + `","Phone":"1"}` }
	o.call("PATCH", v67+"/composite/sobjects", `{"records":[`+row(firstAccount)+`,`+row(secondAccount)+`,`+row(firstAccount[:15])+`]}`).
		want(t, 200, `[`+twice+`,`+ok(secondAccount)+`,`+twice+`]`)
	o.call("DELETE", v67+"/composite/sobjects?ids="+firstAccount+","+firstAccount, "").want(t, 200, `[`+twice+`,`+twice+`]`)
}

func TestCollections_Chunks(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	pair := `{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Contact"},"LastName":"C"}`
	five := strings.TrimSuffix(strings.Repeat(pair+",", 5), ",")
	if a := o.call("POST", v67+"/composite/sobjects", `{"records":[`+five+`]}`); a.status != 200 || strings.Contains(a.body, "false") {
		t.Errorf("ten chunks: %d %s", a.status, a.body)
	}
	o.call("POST", v67+"/composite/sobjects", `{"records":[`+five+`,{"attributes":{"type":"Account"},"Name":"A"}]}`).want(t, 400,
		`[{"errorCode":"LIMIT_EXCEEDED","message":"Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking."}]`)
}

// TestComposite_NestedCollection fails the whole call when an allOrNone collection
// inside it rolls back, and leaves it alone when the collection may fail in part.
func TestComposite_NestedCollection(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	body := func(inner string) string {
		return `{"allOrNone":true,"compositeRequest":[
{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"acc","body":{"Name":"A"}},
{"method":"POST","url":"/services/data/v67.0/composite/sobjects","referenceId":"list","body":{"allOrNone":` + inner + `,"records":[
{"attributes":{"type":"Account"},"Name":"B","ParentId":"@{acc.id}"},{"attributes":{"type":"Account"}}]}}]}`
	}
	o.call("POST", v67+"/composite", body("true")).want(t, 200, `{"compositeResponse":[`+
		`{"body":[{"errorCode":"PROCESSING_HALTED","message":"The transaction was rolled back since another operation in the same transaction failed."}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"acc"},`+
		`{"body":[`+rolledBack+`,`+missingName+`],"httpHeaders":{},"httpStatusCode":200,"referenceId":"list"}]}`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
	o.call("POST", v67+"/composite", body("false"))
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":2,"done":true,"records":[]}`)
}

func TestComposite_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	sub := func(reference, url string) string {
		return `{"method":"GET","url":"` + url + `","referenceId":"` + reference + `"}`
	}
	query := func(reference string) string { return sub(reference, v67+"/query?q=SELECT Id FROM Account") }
	for _, test := range []struct{ parts, want string }{
		{sub("a-b", v67+"/limits"), `[{"errorCode":"INVALID_INPUT","message":"Provided referenceId ('a-b') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."}]`},
		{sub("a", v67+"/limits") + "," + sub("a", v67+"/limits"), `[{"errorCode":"INVALID_INPUT","message":"Duplicate ReferenceId provided in the request."}]`},
		{query("a") + "," + query("b") + "," + query("c") + "," + query("d") + "," + query("e") + "," + query("f"), `[{"errorCode":"LIMIT_EXCEEDED","message":"composite request cannot have more than 5 query or sObject collections subrequests"}]`},
	} {
		o.call("POST", v67+"/composite", `{"compositeRequest":[`+test.parts+`]}`).want(t, 400, test.want)
	}
}
