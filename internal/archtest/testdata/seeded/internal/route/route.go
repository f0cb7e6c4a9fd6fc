// Package route is an engine.
package route

import (
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/promauto" // want "imports github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/sallyport-dev/sallyport/internal/delivery"
)

func init() { // want "declares init"
	prometheus.MustRegister() // want "uses github.com/prometheus/client_golang/prometheus.MustRegister"
	slog.Info("")             // want "uses log/slog.Info"
	slog.New(nil).Info("")
	log.Printf("")           // want "uses log.Printf"
	_ = promhttp.Handler()   // want "uses github.com/prometheus/client_golang/prometheus/promhttp.Handler"
	http.HandleFunc("", nil) // want "uses net/http.HandleFunc"
	_ = http.DefaultClient   // want "uses net/http.DefaultClient"
	_ = os.Getenv("X")       // want "uses os.Getenv"
	os.Exit(1)               // want "uses os.Exit"
	time.Sleep(1)            // want "uses time.Sleep"
	time := clock{}
	time.Sleep(1)
}

type clock struct{}

func (clock) Sleep(int) {}
