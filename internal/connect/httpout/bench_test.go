package httpout_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// answerer reads requests and answers each with 204, at the least cost.
func answerer(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return
					}
					if _, err := io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// BenchmarkDeliver sends signed events of 1 KB, one by one, over kept connections.
func BenchmarkDeliver(b *testing.B) {
	d, err := httpout.New(httpout.Config{URL: answerer(b), Secrets: []secret.String{secret.New(whsec(1))}, Concurrency: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	e := sample()
	e.Data = append(append([]byte(`{"a":"`), make([]byte, 1000)...), `"}`...)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if o := d.Deliver(b.Context(), e, 1); o.Verdict != event.Delivered {
				b.Errorf("outcome %+v", o)
				return
			}
		}
	})
}
