package clients_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/streaming"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// bayeux is a Bayeux server by others, in a process of its own, and the login to it.
type bayeux struct {
	t   *testing.T
	url string

	mu     sync.Mutex // guards tokens
	tokens int
}

// startBayeux runs one of node/servers until the test ends.
func startBayeux(t *testing.T, script string) *bayeux {
	t.Helper()
	return &bayeux{t: t, url: startServer(t, requireNode(t), script)}
}

// startServer runs one of node/servers until the test ends and returns its address.
func startServer(t *testing.T, node, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), suiteDeadline)
	cmd := exec.CommandContext(ctx, node, "servers/"+script)
	cmd.Dir, cmd.Env, cmd.Stderr = "node", withoutProxies(os.Environ()), t.Output()
	stdin, err := cmd.StdinPipe() // the server ends with it
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		cancel()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	check(t, err)
	var told struct{ Port int }
	check(t, json.Unmarshal([]byte(line), &told))
	return fmt.Sprintf("http://127.0.0.1:%d", told.Port)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Token and Invalidate are the login: each token that is refused is followed by the next.
func (b *bayeux) Token(context.Context) (auth.Token, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return auth.Token{AccessToken: secret.New(fmt.Sprintf("T%d", b.tokens)), InstanceURL: b.url, OrgID: "00D5e000000AbCdEAK"}, nil
}

func (b *bayeux) Invalidate(stale auth.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if stale.AccessToken.Reveal() == fmt.Sprintf("T%d", b.tokens) {
		b.tokens++
	}
}

// ledger is what the server has seen and published.
type ledger struct {
	Handshakes int
	Subscribes []string
	Published  map[string][]string // event ids by channel
}

// control plays the org: publish, forget, token, trim, stats.
func (b *bayeux) control(command string, args ...any) ledger {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/control/"+fmt.Sprintf(command, args...), nil)
	check(b.t, err)
	resp, err := http.DefaultClient.Do(req)
	check(b.t, err)
	defer resp.Body.Close()
	var l ledger
	check(b.t, json.NewDecoder(resp.Body).Decode(&l))
	return l
}

// listener reads a topic as the engine does, and remembers what came twice.
type listener struct {
	t        *testing.T
	stream   event.Stream
	ids      []string
	twice    []string
	position event.Position
}

func (b *bayeux) listen(client *cometd.Client, topic string, start event.Start) (*listener, error) {
	b.t.Helper()
	parsed, err := salesforce.ParseTopic(topic)
	check(b.t, err)
	source, err := streaming.NewSource(streaming.Config{Topic: parsed}, client)
	check(b.t, err)
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	stream, err := source.Open(ctx, start)
	return &listener{t: b.t, stream: stream}, err
}

// until reads until everything published has come, and its position is told.
func (l *listener) until(published []string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	told := l.position != nil
	for len(l.ids) < len(published) || !told {
		batch, err := l.stream.Next(ctx)
		if err != nil {
			l.t.Fatalf("after %d of %d events: %v", len(l.ids), len(published), err)
		}
		for _, e := range batch.Events {
			if slices.Contains(l.ids, e.ID) {
				l.twice = append(l.twice, e.ID)
			}
			l.ids = append(l.ids, e.ID)
			told = false
		}
		if batch.Position != nil {
			l.position, told = batch.Position, true
		}
	}
	if diff := cmp.Diff(published, l.ids); diff != "" {
		l.t.Errorf("events (-published +received):\n%s", diff)
	}
}

const (
	topicA = "/event/A__e"
	topicB = "/event/B__e"
)

// TestStreaming_AgainstServersOfOthers runs Sallyport's own client of the Streaming
// API against Bayeux servers that know nothing of it.
func TestStreaming_AgainstServersOfOthers(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"faye.mjs", "cometd.mjs"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			b := startBayeux(t, script)
			// Sessions are broken one after the other here; the client is to heal them by itself.
			client, err := cometd.New(cometd.Config{RetryWait: 10 * time.Millisecond, Tries: 20}, b, nil)
			check(t, err)
			t.Cleanup(func() { check(t, client.Close()) })

			b.control("publish?channel=%s&n=5", topicA)
			first, err := b.listen(client, topicA, event.Start{Earliest: true})
			check(t, err)
			second, err := b.listen(client, topicB, event.Start{})
			check(t, err)
			first.until(b.control("stats").Published[topicA]) // replay, and the seam
			b.control("publish?channel=%s&n=20", topicA)
			published := b.control("publish?channel=%s&n=1", topicB).Published
			first.until(published[topicA]) // live
			second.until(published[topicB])

			for round := range 3 { // sessions lost while events are published
				b.control("forget")
				b.control("publish?channel=%s&n=10", topicA)
				b.control("publish?channel=%s&n=10", topicB)
				second.until(b.awaitSubscribes(topicB, round+2).Published[topicB])
				first.until(b.awaitSubscribes(topicA, round+2).Published[topicA])
			}

			b.control("token?value=T1") // the session is revoked
			b.control("publish?channel=%s&n=10", topicA)
			first.until(b.awaitSubscribes(topicA, 5).Published[topicA])

			position := first.position
			check(t, first.stream.Close())
			b.control("publish?channel=%s&n=10", topicA) // while nobody listens
			again, err := b.listen(client, topicA, event.Start{After: position})
			check(t, err)
			again.until(b.awaitSubscribes(topicA, 6).Published[topicA][len(first.ids):])

			check(t, again.stream.Close())
			b.control("publish?channel=%s&n=1", topicA)
			b.control("trim?channel=%s", topicA) // the position ages out
			if _, err := b.listen(client, topicA, event.Start{After: position}); !errors.Is(err, event.ErrPositionRefused) {
				t.Errorf("an aged position: %v", err)
			}
			second.until(b.control("publish?channel=%s&n=1", topicB).Published[topicB]) // the other topic is not disturbed
			if twice := slices.Concat(first.twice, second.twice, again.twice); len(twice) > 0 {
				t.Errorf("%d events came twice: %v", len(twice), twice)
			}
		})
	}
}

// awaitSubscribes waits until a topic was subscribed so often, because a
// subscribe may add to what is published, at the seam.
func (b *bayeux) awaitSubscribes(topic string, n int) ledger {
	b.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for {
		l := b.control("stats")
		seen := 0
		for _, s := range l.Subscribes {
			if strings.HasPrefix(s, topic+" ") {
				seen++
			}
		}
		if seen >= n {
			return l
		}
		select {
		case <-ticker.C:
		case <-deadline:
			b.t.Fatalf("%s was subscribed %d times, want %d: %v", topic, seen, n, l.Subscribes)
		}
	}
}
