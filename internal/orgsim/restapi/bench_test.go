package restapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/restapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// BenchmarkQueryPage answers pages of 2,000 contacts out of 50,000, to the last byte
// of JSON.
func BenchmarkQueryPage(b *testing.B) {
	const many, size = 50_000, 2000
	catalog := schema.Default()
	engine, err := record.Open(record.Config{Catalog: catalog})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	contact, _ := catalog.Object("Contact")
	last, _ := contact.Field("LastName")
	i := 0
	if _, err := engine.Fill(context.Background(), record.Actor{User: userID}, contact, []*schema.Field{last}, func(values []any) bool {
		values[0] = fmt.Sprint("L", i)
		i++
		return i <= many
	}); err != nil {
		b.Fatal(err)
	}
	api, err := restapi.New(restapi.Config{Catalog: catalog, Engine: engine, Sessions: sessions{}, Publisher: &publisher{}})
	if err != nil {
		b.Fatal(err)
	}
	get := func(path string) {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if api.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	get(soqlURL("SELECT Id, Name, Email, CreatedDate FROM Contact"))
	at := size
	for b.Loop() {
		get(fmt.Sprintf("%s/query/01gSp0000000001IAA-%d", v67, at))
		if at += size; at >= many {
			at = size
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
