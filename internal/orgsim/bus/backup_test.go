package bus_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

func TestBackup_RestoreBringsEventsBackAndReusesNoPosition(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"in memory": "", "in a file": filepath.Join(t.TempDir(), "events.db")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := open(t, path)
			kept := appendTo(t, b, "1", "2")
			if _, err := b.DeclareManaged(bus.ManagedSubscription{DeveloperName: "Stock", Topic: topic}); err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy.db")
			if err := b.Backup(t.Context(), copied); err != nil {
				t.Fatal(err)
			}
			lost := appendTo(t, b, "3")
			watcher := b.Watch()
			defer watcher.Close()
			watcher.Add(topic)
			<-watcher.C
			if err := b.Restore(t.Context(), copied); err != nil {
				t.Fatal(err)
			}
			<-watcher.C // told that things changed
			events, _, err := b.Read(nil, topic, bus.Earliest, 10, 1<<20)
			if err != nil || len(events) != 2 || events[0].ID != kept[0].ID || string(events[1].Payload) != "2" {
				t.Fatalf("after restoring: %v, %v", events, err)
			}
			if err := b.Resolve(topic, kept[1].Position); err != nil {
				t.Errorf("a position from before: %v", err)
			}
			if err := b.Resolve(topic, lost[0].Position); !errors.Is(err, bus.ErrPositionGone) {
				t.Errorf("a position from after: %v", err)
			}
			next := appendTo(t, b, "4")
			<-watcher.C
			if next[0].Position <= lost[0].Position {
				t.Errorf("position %d was handed out before %d", next[0].Position, lost[0].Position)
			}
			if list := b.ManagedSubscriptions(); len(list) != 1 || list[0].DeveloperName != "Stock" {
				t.Errorf("managed: %v", list)
			}
			if path == "" {
				return
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			again, _ := open(t, path)
			if events, _, err := again.Read(nil, topic, bus.Earliest, 10, 1<<20); err != nil || len(events) != 3 {
				t.Errorf("after a restart: %v, %v", events, err)
			}
		})
	}
}
