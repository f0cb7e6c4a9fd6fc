package rabbitqueue_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// FuzzRead reads messages that anybody may have published: whatever they hold,
// there is an event with an id, and it survives its next way through the broker.
func FuzzRead(f *testing.F) {
	f.Add("id", "t", "2026-03-01T09:00:00Z", "abcd", int64(1_770_000_000_000), int64(3), int64(0), []byte(`{}`))
	f.Add("", "", "yesterday", "no hex", int64(-1), int64(-5), int64(1)<<62, []byte(nil))
	f.Add("\x00é", "t", "", "", int64(0), int64(1)<<40, int64(1), []byte("\xff"))
	f.Fuzz(func(t *testing.T, id, typ, at, digest string, accepted, attempts, due int64, body []byte) {
		m := rabbit.Message{Body: body, Headers: map[string]any{
			"cloudEvents:id": id, "cloudEvents:type": typ, "cloudEvents:time": at, "x-sallyport-digest": digest,
			"x-sallyport-accepted": accepted, "x-sallyport-attempts": attempts, "x-sallyport-due": due,
		}}
		e, again, tried := rabbitqueue.Read(m, time.Unix(1_780_000_000, 0).UTC())
		if e.ID == "" || e.Route != "orders" || tried < 0 || id != "" && e.ID != id {
			t.Fatalf("event %+v, %d attempts", e, tried)
		}
		if diff := cmp.Diff(e, again); diff != "" && !e.Time.IsZero() {
			t.Fatalf("after the next way through the broker (-before +after):\n%s", diff)
		}
	})
}

func TestNames_AWaitGoesToTheLongestStepThatIsNotLonger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		longest, wait time.Duration
		want          string
	}{
		{time.Hour, time.Second, "p.r.retry.1"},
		{time.Hour, 3999 * time.Millisecond, "p.r.retry.1"},
		{time.Hour, 4 * time.Second, "p.r.retry.4"},
		{time.Hour, 5 * time.Hour, "p.r.retry.1024"},
		{24 * time.Hour, 5 * time.Hour, "p.r.retry.4096"},
		{time.Millisecond, time.Minute, "p.r.retry.1"},
		{5 * time.Second, time.Minute, "p.r.retry.4"},
	} {
		if got := rabbitqueue.Step(c.longest, c.wait); got != c.want {
			t.Errorf("a wait of %s where the longest is %s goes to %s, want %s", c.wait, c.longest, got, c.want)
		}
	}
}
