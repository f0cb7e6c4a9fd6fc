package bulk_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// script is an org that answers each request with the next line of its part.
type script struct {
	mu      sync.Mutex
	answers []func(*http.Request) (*http.Response, error)
	asked   []string
	logins  int
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		text, _ := io.ReadAll(r.Body)
		body = " " + string(text)
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI()+body)
	answer := s.answers[min(len(s.asked), len(s.answers))-1]
	s.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return answer(r)
}

func (s *script) Token(context.Context) (auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return auth.Token{AccessToken: secret.New("token" + strings.Repeat("x", s.logins)), InstanceURL: "https://acme"}, nil
}

func (s *script) Invalidate(auth.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
}

func says(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		for i := 0; i < len(headers); i += 2 {
			resp.Header.Set(headers[i], headers[i+1])
		}
		return resp, nil
	}
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func newClient(t *testing.T, cfg bulk.Config, answers ...func(*http.Request) (*http.Response, error)) (*bulk.Client, *script) {
	t.Helper()
	s := &script{answers: answers}
	c, err := bulk.New(cfg, s, &http.Client{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func rowsOf(p *bulk.Page) (rows [][]string, err error) {
	for {
		row, err := p.Row(nil)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

const jobs = "/services/data/v67.0/jobs/query"

func TestClient_RunsAQueryJobToItsLastPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var usage []bulk.Usage
		c, s := newClient(t, bulk.Config{LimitFunc: func(u bulk.Usage) { usage = append(usage, u) }},
			says(200, `{"id":"750A","state":"UploadComplete","object":"Account"}`, "Sforce-Limit-Info", "api-usage=1/100"),
			says(200, `{"id":"750A","state":"InProgress"}`),
			says(200, `{"id":"750A","state":"JobComplete","numberRecordsProcessed":3}`),
			says(200, "\"Id\",\"Name\"\n\"1\",\"a\"\n\"2\",\"\"\n", "Sforce-Locator", "MTAw", "Sforce-NumberOfRecords", "2"),
			says(200, "\"Id\",\"Name\"\n\"3\",\"c\"\n", "Sforce-Locator", "null", "Sforce-NumberOfRecords", "1"),
			says(204, ""),
		)
		job, err := c.Create(t.Context(), bulk.Query{SOQL: "SELECT Id, Name FROM Account", All: true})
		if err != nil || job.ID != "750A" || job.State != bulk.UploadComplete {
			t.Fatalf("Create() = %+v, %v", job, err)
		}
		began := time.Now()
		if job, err = c.Wait(t.Context(), job.ID); err != nil || job.Records != 3 {
			t.Fatalf("Wait() = %+v, %v", job, err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("polled for %s", took)
		}
		var rows [][]string
		for locator := ""; ; {
			p, err := c.Open(t.Context(), job.ID, locator, 2)
			if err != nil {
				t.Fatal(err)
			}
			page, err := rowsOf(p)
			if err != nil || p.Close() != nil {
				t.Fatal(err)
			}
			rows = append(rows, page...)
			if locator = p.Next; locator == "" {
				break
			}
		}
		if diff := cmp.Diff([][]string{{"1", "a"}, {"2", ""}, {"3", "c"}}, rows); diff != "" {
			t.Error(diff)
		}
		if err := c.Delete(t.Context(), job.ID); err != nil {
			t.Error(err)
		}
		want := []string{
			"POST " + jobs + ` {"columnDelimiter":"COMMA","contentType":"CSV","lineEnding":"LF","operation":"queryAll","query":"SELECT Id, Name FROM Account"}`,
			"GET " + jobs + "/750A", "GET " + jobs + "/750A", "GET " + jobs + "/750A/results?maxRecords=2",
			"GET " + jobs + "/750A/results?locator=MTAw&maxRecords=2", "DELETE " + jobs + "/750A",
		}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]bulk.Usage{{Used: 1, Max: 100}}, usage); diff != "" {
			t.Error(diff)
		}
	})
}

func TestClient_PollsAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := newClient(t, bulk.Config{}, says(200, `{"id":"750A","state":"InProgress"}`))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if _, err := c.Wait(ctx, "750A"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() = %v", err)
		}
		if n := len(s.asked); n > 28 {
			t.Errorf("%d requests in ten minutes", n)
		}
	})
}

func TestClient_SaysHowAFailedJobHeals(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]event.Healing{
		"ExceededQuota : too much":            event.Throttled,
		"Timeout : it took too long":          event.Transient,
		"TooManyLockFailure : x":              event.Transient,
		"InvalidBatch : Field name not found": event.Permanent,
		"":                                    event.Permanent,
	} {
		c, _ := newClient(t, bulk.Config{}, says(200, `{"id":"750A","state":"Failed","errorMessage":"`+message+`"}`))
		_, err := c.Wait(t.Context(), "750A")
		if err == nil || event.HealingOf(err) != want {
			t.Errorf("%q: %v heals %s, want %s", message, err, event.HealingOf(err), want)
		}
	}
	c, _ := newClient(t, bulk.Config{}, says(200, `{"id":"750A","state":"Aborted"}`))
	if _, err := c.Wait(t.Context(), "750A"); event.HealingOf(err) != event.Permanent {
		t.Errorf("aborted: %v", err)
	}
}

func TestClient_RenewsTheSessionOnceAndNeverRepeatsAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		expired := says(401, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
		c, s := newClient(t, bulk.Config{}, expired, says(200, `{"id":"750A","state":"UploadComplete"}`))
		if _, err := c.Create(t.Context(), bulk.Query{SOQL: "SELECT Id FROM Account"}); err != nil || s.logins != 1 {
			t.Errorf("Create() = %v after %d new logins", err, s.logins)
		}
		c, s = newClient(t, bulk.Config{}, fails(io.ErrUnexpectedEOF))
		_, err := c.Create(t.Context(), bulk.Query{})
		if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedUnknown || len(s.asked) != 1 {
			t.Errorf("Create() = %v after %d requests", err, len(s.asked))
		}
		c, s = newClient(t, bulk.Config{}, says(503, "<html>"), fails(io.ErrUnexpectedEOF), says(200, `{"id":"750A","state":"JobComplete"}`))
		if job, err := c.Job(t.Context(), "750A"); err != nil || job.State != bulk.JobComplete || len(s.asked) != 3 {
			t.Errorf("Job() = %+v, %v after %d requests", job, err, len(s.asked))
		}
		c, s = newClient(t, bulk.Config{}, says(403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`))
		_, err = c.Job(t.Context(), "750A")
		if event.HealingOf(err) != event.Throttled || len(s.asked) != 1 {
			t.Errorf("the day's limit: %v after %d requests", err, len(s.asked))
		}
		c, s = newClient(t, bulk.Config{}, says(404, `[{"errorCode":"NOT_FOUND","message":"no such job"}]`))
		_, err = c.Open(t.Context(), "750A", "", 0)
		if refusal, ok := salesforce.AsAPIError(err); !ok || !refusal.NotFound() || len(s.asked) != 1 {
			t.Errorf("a job that is gone: %v after %d requests", err, len(s.asked))
		}
		if err := c.Abort(t.Context(), "750A"); err == nil {
			t.Error("aborting a job that is gone succeeds")
		}
	})
}

func TestPage_ThatEndsEarlyIsNoWholePage(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"fewer rows": says(200, "Id\n1\n2\n", "Sforce-NumberOfRecords", "3"),
		"ragged":     says(200, "Id,Name\n1,2\n3\n", "Sforce-NumberOfRecords", "2"),
		"open quote": says(200, "Id\n\"1", "Sforce-NumberOfRecords", "1"),
		"broken body": func(*http.Request) (*http.Response, error) {
			body := io.NopCloser(io.MultiReader(strings.NewReader("Id\n1\n"), &brokenReader{}))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body}, nil
		},
	} {
		c, _ := newClient(t, bulk.Config{}, answer)
		p, err := c.Open(t.Context(), "750A", "", 0)
		if err == nil {
			_, err = rowsOf(p)
			_ = p.Close()
		}
		if err == nil || event.HealingOf(err) != event.Transient {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenReader struct{}

func (*brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A page that stops coming ends after the timeout; a slow reader is no reason.
func TestPage_SilenceEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stall := func(r *http.Request) (*http.Response, error) {
			read, write := io.Pipe()
			go func() {
				_, _ = io.WriteString(write, "Id\n1\n")
				<-r.Context().Done()
				_ = write.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: read}, nil
		}
		c, _ := newClient(t, bulk.Config{Timeout: time.Minute}, stall)
		p, err := c.Open(t.Context(), "750A", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // the reader is the one who is slow
		if row, err := p.Row(nil); err != nil || row[0] != "1" {
			t.Fatalf("Row() = %v, %v", row, err)
		}
		began := time.Now()
		_, err = p.Row(nil)
		if err == nil || time.Since(began) != time.Minute || !strings.Contains(err.Error(), "nothing received") {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		_ = p.Close()
		synctest.Wait()
	})
}

func TestPage_IsUnpackedAsItIsRead(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("\"Id\"\n" + strings.Repeat("\"0015e00000AbCdEAAV\"\n", 5000)))
	_ = w.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Header.Get("Accept") != "text/csv" {
			http.Error(w, "ask for gzip", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Sforce-NumberOfRecords", "5000")
		_, _ = w.Write(packed.Bytes())
	}))
	defer server.Close()
	c, err := bulk.New(bulk.Config{}, fixed(server.URL), server.Client())
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Open(t.Context(), "750A", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if rows, err := rowsOf(p); err != nil || len(rows) != 5000 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// fixed is a token for one address.
type fixed string

func (f fixed) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("t"), InstanceURL: string(f)}, nil
}
func (fixed) Invalidate(auth.Token) {}
