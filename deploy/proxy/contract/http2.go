package contract

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"teal/spec"
)

func testHTTP2(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.mirror())))
	for _, overTLS := range []bool{true, false} {
		c, base := e.httpClient(overTLS, true)
		for _, body := range []string{"", "x", strings.Repeat("x", 100_000)} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/path?q", strings.NewReader(body))
			mustNot(t, err)
			req.Host = "shop.example.com"
			a := e.do(c, req)
			proto := "http"
			if overTLS {
				proto = "https"
			}
			for _, want := range []string{
				fmt.Sprintf("body %d\n", len(body)), "proto HTTP/1.1\n", "uri /path?q\n",
				"x-forwarded-proto: " + proto + "\n", "x-forwarded-host: shop.example.com\n",
			} {
				if !strings.Contains(a.body+"\n", want) {
					t.Errorf("TLS %v, %d bytes: the app does not see %q: %s", overTLS, len(body), want, a.body)
				}
			}
			if a.proto != 2 {
				t.Errorf("TLS %v: answered over HTTP/%d", overTLS, a.proto)
			}
		}
	}
	c, base := e.httpClient(true, false)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	mustNot(t, err)
	if a := e.do(c, req); a.proto != 1 {
		t.Errorf("an HTTP/1.1 client with TLS was answered over HTTP/%d", a.proto)
	}
}

// A gRPC exchange, as far as a proxy can tell: HTTP/2 to the app, messages both
// ways at once, the status in a trailer.
func testGRPC(t *testing.T, e *env) {
	s := e.startWith("grpc", func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write([]byte(strings.ToUpper(string(buf[:n]))))
				_ = http.NewResponseController(w).Flush()
			}
			if err != nil {
				break
			}
		}
		w.Header().Set("Grpc-Status", "0")
	})
	e.apply(routeTo(on(spec.Blue, "r1", e.refusing(), s)))
	for _, overTLS := range []bool{true, false} {
		c, base := e.httpClient(overTLS, true)
		out, in := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/pkg.Service/Method", out)
		mustNot(t, err)
		req.Header.Set("Content-Type", "application/grpc+proto")
		req.Header.Set("Te", "trailers")
		next := make(chan int, 1)
		said := make(chan error, 1)
		go func() {
			var err error
			for i := range next {
				_, werr := fmt.Fprintf(in, "message %d", i)
				err = errors.Join(err, werr)
			}
			said <- err
		}()
		if !e.Features.EarlyHead {
			next <- 0
		}
		resp, err := c.Do(req)
		mustNot(t, err)
		buf := make([]byte, 64)
		for i := range 5 {
			if i > 0 || e.Features.EarlyHead {
				next <- i
			}
			n, err := resp.Body.Read(buf)
			if err != nil || string(buf[:n]) != fmt.Sprintf("MESSAGE %d", i) {
				t.Fatalf("message %d: %q, %v", i, buf[:n], err)
			}
		}
		close(next)
		mustNot(t, <-said)
		mustNot(t, in.Close())
		_, err = io.Copy(io.Discard, resp.Body)
		mustNot(t, err)
		mustNot(t, resp.Body.Close())
		if got := resp.Trailer.Get("Grpc-Status"); got != "0" {
			t.Errorf("TLS %v: grpc-status %q, status %d", overTLS, got, resp.StatusCode)
		}
	}
	e.eventually("both are counted, none failed", func() bool {
		got := e.traffic(app, "r1")
		return got.Requests == 2 && got.Failures == 0 && got.InFlight == 0
	})
}
