package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestOpen_PicksTheEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := testkit.Postgres(t)
	for name, cfg := range map[string]store.Config{
		"path":        {URL: filepath.Join(dir, "a.db")},
		"sqlite:path": {URL: "sqlite:" + filepath.Join(dir, "b.db")},
		"postgres":    {URL: db.URL, Schema: db.Schema},
		"postgresql":  {URL: "postgresql" + strings.TrimPrefix(db.URL, "postgres"), Schema: db.Schema},
	} {
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Append(t.Context(), subscription.Append{Events: []event.Event{{ID: name, Route: "orders", Data: []byte("{}")}}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	i, err := store.Open(t.Context(), store.Config{URL: db.URL, Schema: db.Schema, Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if records, err := i.List(t.Context(), delivery.ListFilter{Limit: 9}); err != nil || len(records) != 2 {
		t.Fatalf("the PostgreSQL store holds %v, %v; want the events of both spellings", records, err)
	}
	if err := i.Append(t.Context(), subscription.Append{}); !errors.Is(err, store.ErrInspecting) {
		t.Fatalf("append to a store opened to look = %v", err)
	}
}

func TestOpen_RefusesWithAHint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := testkit.Postgres(t)
	for name, cfg := range map[string]store.Config{
		"no URL":               {},
		"unknown engine":       {URL: "mysql://host/db"},
		"sqlite without path":  {URL: "sqlite:"},
		"malformed URL":        {URL: "postgres:secret-word"},
		"malformed port":       {URL: "postgres://user:secret-word@host:port/db"},
		"nobody listens":       {URL: "postgres://user:secret-word@127.0.0.1:1/db"},
		"no such database":     {URL: strings.Replace(db.URL, "/postgres?", "/nowhere?", 1)},
		"no store to look at":  {URL: db.URL, Schema: db.Schema, Inspect: true},
		"negative connections": {URL: db.URL, Connections: -1},
		"disk that is wiped":   {URL: filepath.Join(dir, "a.db"), EphemeralDisk: true},
	} {
		s, err := store.Open(t.Context(), cfg)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if event.HintOf(err) == "" {
			t.Errorf("%s: %v has no hint", name, err)
		}
		if strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
	s, err := store.Open(t.Context(), store.Config{URL: filepath.Join(dir, "a.db"), EphemeralDisk: true, AllowEphemeral: true})
	if err != nil {
		t.Fatalf("allowed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
