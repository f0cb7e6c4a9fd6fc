package rest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

func TestClient_ListsWhatChangedInAWindow(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)
	c, o := newClient(t, rest.Config{},
		says(200, `{"ids":["0015e00000AbCdEAAV"],"latestDateCovered":"2026-08-20T08:17:00.000+0000"}`),
		says(200, `{"deletedRecords":[{"id":"0015e00000AbCdEAAV","deletedDate":"2026-08-20T03:01:02.000+0000"}],"earliestDateAvailable":"2026-08-05T00:00:00.000+0000","latestDateCovered":"2026-08-20T08:17:00.000+0000"}`),
	)
	covered := time.Date(2026, 8, 20, 8, 17, 0, 0, time.UTC)
	updated, err := c.Updated(t.Context(), "Account", start, start.Add(9*time.Hour))
	if diff := cmp.Diff(rest.Updated{IDs: []salesforce.ID{id}, Covered: covered}, updated); err != nil || diff != "" {
		t.Errorf("Updated(): %v %s", err, diff)
	}
	deleted, err := c.Deleted(t.Context(), "Account", start, start.Add(9*time.Hour))
	want := rest.Deleted{
		Records:  []rest.DeletedRecord{{ID: id, At: time.Date(2026, 8, 20, 3, 1, 2, 0, time.UTC)}},
		Earliest: time.Date(2026, 8, 5, 0, 0, 0, 0, time.UTC), Covered: covered,
	}
	if diff := cmp.Diff(want, deleted); err != nil || diff != "" {
		t.Errorf("Deleted(): %v %s", err, diff)
	}
	const window = "/?end=2026-08-20T09%3A00%3A00Z&start=2026-08-20T00%3A00%3A00Z"
	if diff := cmp.Diff([]string{"GET " + base + "/sobjects/Account/updated" + window, "GET " + base + "/sobjects/Account/deleted" + window}, o.requests); diff != "" {
		t.Error(diff)
	}
}

func TestParseStamp_ReadsBothSpellings(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 8, 20, 9, 14, 2, 5e6, time.UTC)
	for _, text := range []string{"2026-08-20T09:14:02.005+0000", "2026-08-20T09:14:02.005Z", "2026-08-20T11:14:02.005+02:00"} {
		if got, err := rest.ParseStamp(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := rest.ParseStamp("yesterday"); err == nil {
		t.Error("yesterday is a stamp")
	}
}
