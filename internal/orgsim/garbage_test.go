package orgsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

// garbageSeed makes the garbage repeatable.
const garbageSeed = 20260820

// ears hears what the org logs: a server that survives a panic only says so there.
type ears struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *ears) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(p)
}

func (e *ears) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// battered starts an org that is going to be thrown at. The function it returns is
// to be called at the end: the org must not have stumbled, and must still work.
func battered(t *testing.T) (*orgsim.Org, *caller, *rand.Rand, func()) {
	t.Helper()
	heard := &ears{}
	o := start(t, orgsim.Config{
		PubSubTLSAddr: orgsim.Off, BulkTimeFactor: -1,
		Logger: slog.New(slog.NewTextHandler(heard, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	c := login(t, o)
	end := func() {
		if status, body := login(t, o).do(t, "GET", v67+"/query?q=SELECT+Id+FROM+Organization", nil); status != http.StatusOK || body["totalSize"] != 1.0 {
			t.Errorf("afterwards: %d %v", status, body)
		}
		if text := heard.String(); strings.Contains(text, "panic") || strings.Contains(text, "org request failed") {
			t.Errorf("the org stumbled:\n%s", text)
		}
	}
	return o, c, rand.New(rand.NewPCG(garbageSeed, uint64(len(t.Name())))), end
}

// junk is text that parsers like least.
func junk(r *rand.Rand, pieces []string) string {
	var b strings.Builder
	for range r.IntN(12) {
		switch r.IntN(4) {
		case 0:
			b.WriteString(string(rune(r.IntN(0x11000))))
		case 1:
			b.WriteByte(byte(r.IntN(256)))
		default:
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
	}
	return b.String()
}

// mangle changes some bytes of a good text.
func mangle(r *rand.Rand, good string) string {
	text := []byte(good)
	for range r.IntN(4) + 1 {
		at := r.IntN(len(text))
		switch r.IntN(3) {
		case 0:
			text[at] = byte(r.IntN(256))
		case 1:
			text = append(text[:at], text[min(len(text), at+r.IntN(9)):]...)
		default:
			text = append(text[:at:at], append([]byte(junk(r, []string{`"`, "'", "{", "[", "(", "\\", ",", "\n"})), text[at:]...)...)
		}
		if len(text) == 0 {
			return ""
		}
	}
	return string(text)
}

// refusedCleanly checks an answer of REST: no failure of the org's own, and what is
// refused is refused in the org's form.
func refusedCleanly(t *testing.T, what string, got wire) {
	t.Helper()
	if got.err != nil || got.status >= http.StatusInternalServerError && got.status != http.StatusNotImplemented {
		t.Errorf("%.200q: %d %.300s (%v)", what, got.status, got.body, got.err)
		return
	}
	if got.status < http.StatusBadRequest {
		return
	}
	var problems []struct{ Message, ErrorCode string }
	if err := json.Unmarshal([]byte(got.body), &problems); err != nil || len(problems) == 0 || problems[0].ErrorCode == "" {
		if !strings.Contains(got.body, `"hasErrors":true`) { // trees have a form of their own
			t.Errorf("%.200q: %d, not an error of the org: %.300s", what, got.status, got.body)
		}
	}
}

func TestGarbage_SOQL(t *testing.T) {
	t.Parallel()
	_, c, r, end := battered(t)
	defer end()
	good := []string{
		"SELECT Id, Name, (SELECT LastName FROM Contacts WHERE Email LIKE '%x' ORDER BY Name LIMIT 3) FROM Account WHERE CreatedDate = LAST_N_DAYS:7 AND Name IN ('a','b')",
		"SELECT Type, COUNT(Id) n, SUM(AnnualRevenue) FROM Account GROUP BY Type HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC NULLS LAST LIMIT 10 OFFSET 2",
		"SELECT TYPEOF What WHEN Account THEN Name ELSE Id END FROM Task WHERE NOT (Subject = 'it\\'s' OR ActivityDate > 2026-01-01)",
		"SELECT FIELDS(STANDARD) FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Name != null) LIMIT 5",
	}
	words := strings.Fields(good[0] + " " + good[1] + " " + good[2] + " ( ) ( ' '' , . :a = != FOR UPDATE WITH USING SCOPE ROLLUP(Id) \x00")
	for range 150 {
		statement := mangle(r, good[r.IntN(len(good))])
		if r.IntN(3) == 0 {
			statement = "SELECT " + strings.ReplaceAll(junk(r, words), "SELECT", " ")
		}
		refusedCleanly(t, statement, c.raw(t, "GET", v67+"/query?q="+url.QueryEscape(statement), ""))
	}
	deep := "SELECT Id FROM Account WHERE " + strings.Repeat("(", 20_000) + "Name = 'x'" + strings.Repeat(")", 20_000)
	refusedCleanly(t, "deep", wireOfPost(t, c, deep))
	refusedCleanly(t, "not not", wireOfPost(t, c, "SELECT Id FROM Account WHERE "+strings.Repeat("NOT ", 20_000)+"Name = 'x'"))
}

// wireOfPost queries by a part of a batch, where a statement may be long.
func wireOfPost(t *testing.T, c *caller, statement string) wire {
	t.Helper()
	body, err := json.Marshal(map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": "v67.0/query?q=" + url.QueryEscape(statement)}}})
	if err != nil {
		t.Fatal(err)
	}
	return c.raw(t, "POST", v67+"/composite/batch", string(body))
}

func TestGarbage_RESTPathsAndBodies(t *testing.T) {
	t.Parallel()
	_, c, r, end := battered(t)
	defer end()
	paths := []string{
		"/sobjects/Account", "/sobjects/Account/001000000000001AAA", "/sobjects/Account/Id/x", "/composite", "/composite/batch", "/composite/tree/Account",
		"/composite/graph", "/composite/sobjects", "/composite/sobjects/Account/Id", "/query", "/queryAll/01g-2000", "/limits", "/sobjects/Order_Event__e",
		"/jobs/ingest", "/jobs/query", "/jobs/ingest/750000000000001AAA/batches", "/search", "/tooling/query?q=x", "/sobjects/Account/updated/?start=x&end=y",
		"/sobjects/Account/describe", "/event/eventSchema/x", "/sobjects", "",
	}
	bodies := []string{
		`{"Name":"A","NumberOfEmployees":1,"Parent":{"Name":"x"}}`, `{"records":[{"attributes":{"type":"Account"},"Name":"A"}],"allOrNone":true}`,
		`{"compositeRequest":[{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"a","body":{"Name":"x"}},{"method":"GET","url":"/services/data/v67.0/sobjects/Account/@{a.id}","referenceId":"b"}]}`,
		`{"graphs":[{"graphId":"1","compositeRequest":[{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"a","body":{"Name":"x"}}]}]}`,
		`{"records":[{"attributes":{"type":"Account","referenceId":"r"},"Name":"x","Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"c"},"LastName":"y"}]}}]}`,
		`{"object":"Account","operation":"insert","lineEnding":"LF"}`, `{"batchRequests":[{"method":"GET","url":"v67.0/limits"}]}`, strings.Repeat("[", 9_000), `{"a":` + strings.Repeat(`{"a":`, 5_000),
	}
	pieces := []string{"/", "//", "..", "%2F", "%00", "%ff", "?", "=", "&", "sobjects", "Account", "@{a.id}", "v0.0", "v99999999999.0", ";", " "}
	methods := []string{"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"}
	for range 200 {
		method, path, body := methods[r.IntN(len(methods))], v67+paths[r.IntN(len(paths))], mangle(r, bodies[r.IntN(len(bodies))])
		if r.IntN(3) == 0 {
			path += url.PathEscape(junk(r, pieces))
		}
		got := c.raw(t, method, path, body)
		if method == "HEAD" || got.status == http.StatusNotModified {
			got.body = `[{"errorCode":"none"}]` // there is never a body
		}
		refusedCleanly(t, method+" "+path+" "+body, got)
	}
}

func TestGarbage_BulkCSV(t *testing.T) {
	t.Parallel()
	_, c, r, end := battered(t)
	defer end()
	good := "Name,NumberOfEmployees,Description\nAcme,12,\"a \"\"quoted\"\" text\nof two lines\"\nOther,,#N/A\n"
	jobs := 0
	for range 16 {
		status, job := c.do(t, "POST", v67+"/jobs/ingest", map[string]any{"object": "Account", "operation": "insert", "lineEnding": "LF"})
		if status != http.StatusOK {
			t.Fatalf("job: %d %v", status, job)
		}
		path := v67 + "/jobs/ingest/" + job["id"].(string)
		refusedCleanly(t, "upload", c.raw(t, "PUT", path+"/batches", mangle(r, good)))
		closed := c.raw(t, "PATCH", path, `{"state":"UploadComplete"}`)
		refusedCleanly(t, "close", closed)
		if closed.status != http.StatusOK {
			continue // there was nothing to upload, or it was refused
		}
		jobs++
		deadline := time.Now().Add(20 * time.Second)
		for {
			_, job = c.do(t, "GET", path, nil)
			if state := job["state"]; state == "JobComplete" || state == "Failed" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the job never ends: %v %v", job["state"], job["errorMessage"])
			}
		}
		for _, file := range []string{"/successfulResults", "/failedResults", "/unprocessedrecords"} {
			if got := c.raw(t, "GET", path+file, ""); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", file, got.status, got.body)
			}
		}
	}
	if jobs < 8 {
		t.Errorf("only %d of the uploads were looked at", jobs)
	}
}

func TestGarbage_Bayeux(t *testing.T) {
	t.Parallel()
	_, c, r, end := battered(t)
	defer end()
	good := []string{
		`[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"id":"1"}]`,
		`[{"channel":"/meta/connect","clientId":"x","connectionType":"long-polling","advice":{"timeout":0}},{"channel":"/meta/subscribe","clientId":"x","subscription":"/event/Order_Event__e","ext":{"replay":{"/event/Order_Event__e":-2}}}]`,
		`[{"channel":"/meta/subscribe","clientId":"x","subscription":["/data/ChangeEvents","/topic/None"]},{"channel":"/meta/unsubscribe","clientId":"x","subscription":"/u/x"},{"channel":"/meta/disconnect","clientId":"x"}]`,
		`{"channel":"/event/Order_Event__e","clientId":"x","data":{"payload":{}}}`,
	}
	handshake := c.raw(t, "POST", "/cometd/67.0", good[0])
	var replies []struct{ ClientID string }
	if err := json.Unmarshal([]byte(handshake.body), &replies); err != nil || len(replies) == 0 || replies[0].ClientID == "" {
		t.Fatalf("handshake: %d %s", handshake.status, handshake.body)
	}
	for range 120 {
		body := strings.ReplaceAll(mangle(r, good[r.IntN(len(good))]), `"x"`, `"`+replies[0].ClientID+`"`)
		body = strings.ReplaceAll(body, "long-polling", "l0ng-polling") // nothing may be held: this test does not wait
		got := c.raw(t, "POST", "/cometd/67.0", body)
		if got.err != nil || got.status >= http.StatusInternalServerError {
			t.Errorf("%.200q: %d %.300s (%v)", body, got.status, got.body, got.err)
		}
	}
	for _, path := range []string{"/cometd", "/cometd/", "/cometd/x", "/cometd/99.0/", "/cometd/67.0/connect/more", "/cometd/-1.0"} {
		if got := c.raw(t, "POST", path, good[0]); got.err != nil || got.status >= http.StatusInternalServerError {
			t.Errorf("%s: %d %s (%v)", path, got.status, got.body, got.err)
		}
	}
}

func TestGarbage_LoginsAndControl(t *testing.T) {
	t.Parallel()
	_, c, r, end := battered(t)
	defer end()
	for range 100 {
		path := []string{
			"/services/oauth2/token", "/services/oauth2/revoke", "/services/oauth2/introspect", "/services/oauth2/userinfo", "/services/Soap/u/60.0", "/services/Soap/c/x",
			"/services/async/60.0/job", "/id/x/y", "/_sim/faults", "/_sim/clock", "/_sim/publish", "/_sim/load", "/_sim/generate", "/_sim/restore", "/_sim/page/faults/on", "/nothing",
		}[r.IntN(16)]
		body := mangle(r, []string{
			"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=e30.e30.e30&client_id=sallyport",
			`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><login xmlns="urn:partner.soap.sforce.com"><username>a</username><password>b</password></login></e:Body></e:Envelope>`,
			`{"name":"unavailable","count":0,"match":{"endpoint":"/none"}}`, `{"advance":"0s"}`,
		}[r.IntN(4)])
		got := c.raw(t, "POST", path, body)
		// SOAP tells every refusal as a fault with status 500.
		if got.err != nil || got.status >= http.StatusInternalServerError && !strings.Contains(got.body, "Fault") {
			t.Errorf("%s %.200q: %d %.300s (%v)", path, body, got.status, got.body, got.err)
		}
	}
	c.org.Faults().ClearAll()
}

func TestGarbage_BytesOnEveryPort(t *testing.T) {
	t.Parallel()
	o, _, r, end := battered(t)
	defer end()
	address := strings.TrimPrefix(o.URL(), "http://")
	openers := []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /services/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /services/data/ HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x04\x00\x00\x00\x00\x00", "\x16\x03\x01\x02\x00\x01",
		"GET /cometd/67.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	}
	for i := range 60 {
		to := []string{address, o.PubSubAddr()}[i%2]
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, r.IntN(300))
		for j := range noise {
			noise[j] = byte(r.IntN(256))
		}
		_, _ = conn.Write(append([]byte(openers[r.IntN(len(openers))]), noise...)) // the org may hang up
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%q: the org neither answers nor hangs up", noise)
			}
		}
		_ = conn.Close()
	}
}

// rawCodec sends bytes as they are where messages belong.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}
func (rawCodec) Name() string { return "proto" }

var _ encoding.CodecV2 = rawCodec{}

func TestGarbage_GRPCFrames(t *testing.T) {
	t.Parallel()
	o, c, r, end := battered(t)
	defer end()
	conn, err := grpc.NewClient(o.PubSubAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "accesstoken", c.token, "instanceurl", o.URL(), "tenantid", string(o.OrgID()))
	// A good FetchRequest and PublishRequest to begin from: topic, preset, replay id, number.
	good := []string{
		"\x0a\x15/event/Order_Event__e\x10\x01\x20\x05", "\x0a\x15/event/Order_Event__e\x10\x02\x1a\x0a0123456789\x20\x01",
		"\x0a\x15/event/Order_Event__e\x12\x10\x0a\x02id\x12\x06schema\x1a\x02\x00\x01",
	}
	stream := grpc.StreamDesc{StreamName: "x", ClientStreams: true, ServerStreams: true}
	for i := range 84 {
		message := []byte(mangle(r, good[r.IntN(len(good))]))
		method := "/eventbus.v1.PubSub/" + []string{"Subscribe", "PublishStream", "ManagedSubscribe", "GetTopic", "GetSchema", "Publish", "None"}[i%7]
		if i%7 >= 3 {
			var answer []byte
			mustBeRefusal(t, method, message, conn.Invoke(ctx, method, message, &answer))
			continue
		}
		s, err := conn.NewStream(ctx, &stream, method)
		if err != nil {
			mustBeRefusal(t, method, message, err)
			continue
		}
		_ = s.SendMsg(message) // how it went, RecvMsg tells
		_ = s.CloseSend()
		for err == nil {
			var answer []byte
			err = s.RecvMsg(&answer)
		}
		if !errors.Is(err, io.EOF) {
			mustBeRefusal(t, method, message, err)
		}
	}
}

// mustBeRefusal takes every answer but a failure of the server, and silence.
func mustBeRefusal(t *testing.T, method string, message []byte, err error) {
	t.Helper()
	switch code := status.Code(err); {
	case code == codes.Unknown, code == codes.DeadlineExceeded, code == codes.Unavailable,
		code == codes.Internal && !strings.Contains(fmt.Sprint(err), "unmarshal"): // grpc's own word for bytes that are no message
		t.Errorf("%s %q: %v", method, message, err)
	}
}
