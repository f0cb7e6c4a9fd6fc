// Command bus is the event server of the benchmarks: it serves a backlog over
// the Pub/Sub API, plaintext and TLS.
//
// It says "ready" with its addresses, holds the stream at the end of the warm-up
// and lets the rest go when it reads "go".
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/bus"
	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func main() {
	events := flag.Uint64("events", 300_000, "events in the backlog, the warm-up included")
	warm := flag.Uint64("warm", 20_000, "events that go before \"go\"")
	per := flag.Int("per-response", 100, "most events in one response")
	run := flag.Uint("run", 1, "number of the run, in every event id")
	flag.Parse()
	if err := serve(*events, *warm, *per, uint32(*run)); err != nil { // small
		log.Fatal("bus: ", err)
	}
}

func serve(events, warm uint64, per int, run uint32) error {
	stream, err := backlog.NewStream(run)
	if err != nil {
		return err
	}
	api := bus.New(stream, warm, per)
	plain, secure, ca, err := listen(api)
	if err != nil {
		return err
	}
	say := line.NewWriter(os.Stdout)
	if err := say.Say(line.Message{Is: line.Ready, Address: plain, TLSAddress: secure, CA: ca}); err != nil {
		return err
	}
	for word := range line.Words(os.Stdin) {
		if word != "go" {
			return fmt.Errorf("unknown word %q", word)
		}
		if err := say.Say(line.Message{Is: line.Go, At: api.Release(events)}); err != nil {
			return err
		}
	}
	return nil // the conductor is gone, or done with us
}

func listen(api *bus.Server) (plain, secure, ca string, err error) {
	cert, ca, err := certificate()
	if err != nil {
		return "", "", "", err
	}
	plain, err = listenOne(api)
	if err != nil {
		return "", "", "", err
	}
	secure, err = listenOne(api, grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"},
	})))
	return plain, secure, ca, err
}

func listenOne(api *bus.Server, opts ...grpc.ServerOption) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	s := grpc.NewServer(append(opts, grpc.ForceServerCodecV2(bus.Codec()))...)
	pubsubpb.RegisterPubSubServer(s, api)
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			log.Fatal("bus: ", err)
		}
	}()
	return l.Addr().String(), nil
}

// certificate makes a certificate for localhost that lives as long as the process.
func certificate() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make certificate: %w", err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text, nil
}
