package nginx

import (
	"crypto/x509"
	"flag"
	"syscall"
	"testing"
	"time"

	"teal/deploy/proxy/contract"
)

// features are what an nginx can do. Missing by nature: Hold (a request that no
// target takes cannot wait), Interim (1xx answers and trailers are dropped but
// for gRPC), UpgradedLimit (a connection cannot be ended one by one; the drain
// ends by the container's stop), Damage (what serves is configuration and flags,
// not the table), NamedHops, Expect, EarlyHead and BrokenChunked (see there).
func features(v version) contract.Features {
	return contract.Features{
		HTTP2: v.http2, GRPC: v.http2, FullDuplex: true, Strict: true, Damage: false,
	}
}

var rate = flag.Int("nginx.rate", 0, "requests per second of the contract's load tests")

func TestContract(t *testing.T) {
	contract.Run(t, func(t *testing.T) *contract.Driver {
		servers, roots := testServers(t)
		r := startNginx(t, Options{Servers: servers, Close: 300 * time.Millisecond})
		v, err := askVersion(t.Context(), r.place)
		must(t, err)
		d := &contract.Driver{
			Proxy: r.driver, Address: servers.Listen[0], TLSAddress: servers.ListenTLS[0], Roots: roots,
			H2CAddress: servers.ListenH2C[0], Features: features(v), Reloads: r.driver.Reloads, Rate: *rate,
			Restart: func(t *testing.T) {
				r.end(syscall.SIGQUIT)
				must(t, r.driver.Prepare(t.Context()))
			},
		}
		if testing.Short() {
			d.Switches, d.Weights = 15, 40
		}
		return d
	})
}

// testServers are server blocks on free ports, with a certificate.
func testServers(t testing.TB) (*Servers, *x509.CertPool) {
	chain, key, roots := newCertificate(t)
	return &Servers{
		Listen: []string{freeAddress(t)}, ListenTLS: []string{freeAddress(t)}, ListenH2C: []string{freeAddress(t)},
		Certificate: func() ([]byte, []byte, error) { return chain, key, nil },
	}, roots
}
