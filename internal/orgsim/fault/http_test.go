package fault_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// answer is long enough that a cut in its first half shows.
var answer = strings.Repeat(`{"Name":"Acme"},`, 40)

func newServer(t *testing.T, b *fault.Board, revoke func(string)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(b.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	}), revoke))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (*http.Response, []byte, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer TOKEN")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}

func TestMiddleware_UnavailableIsAnHTMLPage(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	s := newServer(t, b, func(string) {})
	set(t, b, fault.Fault{Name: fault.Unavailable, Count: 1, Match: fault.Match{Object: "Acc*"}})
	response, body, err := get(t, s.URL+"/services/data/v67.0/sobjects/Account/001")
	if err != nil || response.StatusCode != http.StatusServiceUnavailable ||
		!strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(body), "<html>") {
		t.Errorf("got %v %q %v", response, body, err)
	}
	if response, body, err = get(t, s.URL+"/services/data/v67.0/sobjects/Account/001"); err != nil || string(body) != answer {
		t.Errorf("after the fault: %v %q %v", response.Status, body, err)
	}
}

func TestMiddleware_ResetCutsTheAnswerShort(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	s := newServer(t, b, func(string) {})
	set(t, b, fault.Fault{Name: fault.ResetMidStream, Count: 1})
	_, body, err := get(t, s.URL+"/services/data")
	if err == nil {
		t.Fatal("the answer came through whole")
	}
	if len(body) >= len(answer) {
		t.Errorf("%d of %d bytes arrived", len(body), len(answer))
	}
}

func TestMiddleware_RevokeTokenNamesTheCallersToken(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	revoked := ""
	s := newServer(t, b, func(token string) { revoked = token })
	set(t, b, fault.Fault{Name: fault.RevokeToken, Count: 1})
	if _, _, err := get(t, s.URL+"/services/data"); err != nil || revoked != "TOKEN" {
		t.Errorf("revoked %q, err %v", revoked, err)
	}
}

func TestMiddleware_SlowBytesTrickle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := fault.NewBoard(clock.New())
		set(t, b, fault.Fault{Name: fault.SlowBytes, Chunk: 64, Delay: fault.Duration(time.Second)})
		h := b.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer)
		}), nil)
		start := time.Now()
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/services/data", http.NoBody))
		if want := 10 * time.Second; time.Since(start) != want {
			t.Errorf("took %v, want %v", time.Since(start), want)
		}
		if recorder.Body.String() != answer {
			t.Error("the slow answer is not the answer")
		}
	})
}

func TestHandler_SwitchesFaultsOnAndOff(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t)
	h := b.Handler()
	call := func(method, path, body string) (int, string) {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return recorder.Code, recorder.Body.String()
	}
	status, body := call(http.MethodPost, "/", `{"name":"slow-bytes","count":3,"delay":"2s","match":{"topic":"/event/*"}}`)
	if status != http.StatusCreated {
		t.Fatalf("POST: %d %s", status, body)
	}
	_, body = call(http.MethodGet, "/", "")
	var list []fault.State
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 ||
		list[0].Name != fault.SlowBytes || time.Duration(list[0].Delay) != 2*time.Second || list[0].Match.Topic != "/event/*" {
		t.Fatalf("GET: %s (%v)", body, err)
	}
	if status, body = call(http.MethodPost, "/", `{"name":"slow-bytes","cuont":3}`); status != http.StatusBadRequest {
		t.Errorf("an unknown key gave %d %s", status, body)
	}
	if status, _ = call(http.MethodDelete, "/"+list[0].ID, ""); status != http.StatusNoContent {
		t.Errorf("DELETE: %d", status)
	}
	if status, _ = call(http.MethodDelete, "/"+list[0].ID, ""); status != http.StatusNotFound {
		t.Errorf("DELETE again: %d", status)
	}
	set(t, b, fault.Fault{Name: fault.Unavailable})
	if status, _ = call(http.MethodDelete, "/", ""); status != http.StatusNoContent || len(b.List()) != 0 {
		t.Errorf("DELETE all: %d, left %v", status, b.List())
	}
}
