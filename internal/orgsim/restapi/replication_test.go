package restapi_test

import (
	"context"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func TestReplication_Windows(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.catalog.Object("Account")
	if _, err := o.engine.Load(context.Background(), account, []record.Row{
		{"Name": "early", "SystemModstamp": "2026-08-19T10:00:00Z"},
		{"Name": "in", "SystemModstamp": "2026-08-19T11:00:00Z"},
		{"Name": "gone", "SystemModstamp": "2026-08-19T11:30:30Z", "IsDeleted": true},
		{"Name": "late", "SystemModstamp": "2026-08-19T12:00:00Z"},
	}); err != nil {
		t.Fatal(err)
	}
	const window = "?start=2026-08-19T11:00:59+00:00&end=2026-08-19T12:00:30%2B00:00"
	o.call("GET", v67+"/sobjects/Account/updated/"+window, "").want(t, 200, `{"ids":["001Sp0000000002IAA"],"latestDateCovered":"2026-08-19T12:00:00.000+0000"}`)
	o.call("GET", v67+"/sobjects/Account/deleted"+window, "").want(t, 200, `{"deletedRecords":[{"deletedDate":"2026-08-19T11:30:30.000+0000","id":"001Sp0000000003IAA"}],`+
		`"earliestDateAvailable":"2026-08-05T09:14:00.000+0000","latestDateCovered":"2026-08-19T12:00:00.000+0000"}`)
	o.call("GET", v67+"/sobjects/Account/updated?start=2026-08-20T00:00:00Z&end=2026-08-30T00:00:00Z", "").want(t, 200, `{"ids":[],"latestDateCovered":"2026-08-20T09:14:00.000+0000"}`)
	for query, message := range map[string]string{
		"?start=2026-08-20T00:00:00Z&end=2026-08-20T00:00:59Z": "endDate before startDate",
		"?start=2026-07-01T00:00:00Z&end=2026-08-20T00:00:00Z": "startDate before org replication enabled date",
		"?start=soon&end=2026-08-20T00:00:00Z":                 "start is not a date and time: soon",
	} {
		o.call("GET", v67+"/sobjects/Account/updated"+query, "").want(t, 400, `[{"errorCode":"INVALID_REPLICATION_DATE","message":"`+message+`"}]`)
	}
}
