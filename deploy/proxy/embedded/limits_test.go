package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func dialProxy(t *testing.T, p *running) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", p.addresses.HTTP[0])
	must(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	must(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
	return nc, bufio.NewReader(nc)
}

func status(t *testing.T, br *bufio.Reader) int {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	must(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	must(t, err)
	return resp.StatusCode
}

// serveApp runs an app and makes p serve it for everything.
func serveApp(t *testing.T, p *running, h http.HandlerFunc) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	srv := &http.Server{Handler: h}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.Serve(ln) }) // ends by Close
	t.Cleanup(func() {
		_ = srv.Close()
		done.Wait()
	})
	applyTarget(t, p, ln.Addr().String(), nil)
}

func applyTarget(t *testing.T, p *running, target string, change func(*reconcile.Route)) {
	t.Helper()
	s, err := p.client.Read(t.Context())
	must(t, err)
	table := numbered(s.Table.Seq + 1)
	table.Routes[0].Backends[0].Targets = []string{target}
	if change != nil {
		change(&table.Routes[0])
	}
	must(t, p.client.Apply(t.Context(), table))
}

func echoLength(w http.ResponseWriter, r *http.Request) {
	if n, err := io.Copy(io.Discard, r.Body); err == nil {
		fmt.Fprint(w, n)
	}
}

func TestSlowClientsAreCut(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{HeaderTime: 200 * time.Millisecond, Stall: 300 * time.Millisecond}})
	serveApp(t, p, echoLength)
	t.Run("head", func(t *testing.T) {
		nc, br := dialProxy(t, p)
		_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\nX-Slow:")
		must(t, err)
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("a head that never ends: %v, want the connection closed", err)
		}
	})
	for name, head := range map[string]string{
		"small body": "Content-Length: 10", "large body": "Content-Length: 100000", "chunked body": "Transfer-Encoding: chunked",
	} {
		t.Run(name, func(t *testing.T) {
			nc, br := dialProxy(t, p)
			_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\n"+head+"\r\n\r\n1\r\n")
			must(t, err)
			if got := status(t, br); got != http.StatusRequestTimeout {
				t.Errorf("status %d, want 408", got)
			}
		})
	}
	s, err := p.client.Read(t.Context())
	must(t, err)
	if got := s.Traffic[0].Traffic[0]; got.Failures != 0 {
		t.Errorf("slow clients were counted as the app's failures: %+v", got)
	}
}

// A body that moves all the time may take as long as it wants.
func TestSteadyBodiesAreNotCut(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{Stall: 300 * time.Millisecond}})
	serveApp(t, p, echoLength)
	nc, br := dialProxy(t, p)
	_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n")
	must(t, err)
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		<-tick.C
		_, err := io.WriteString(nc, strings.Repeat("x", 1000))
		must(t, err)
	}
	if got := status(t, br); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}

// A client that does not read its answer is cut as well.
func TestClientsThatDoNotReadAreCut(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{Stall: 300 * time.Millisecond}})
	ended := make(chan struct{})
	serveApp(t, p, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		piece := make([]byte, 1<<20)
		for range 256 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	nc, _ := dialProxy(t, p)
	_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Error("the app's answer still waits for the client")
	}
}

func TestHeldRequestsAreBounded(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{Held: 2}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, ln.Close())
	applyTarget(t, p, ln.Addr().String(), func(r *reconcile.Route) { r.Hold = spec.Duration(time.Second) })
	got := make(chan int, 5)
	for range cap(got) {
		nc, br := dialProxy(t, p)
		_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		must(t, err)
		go func() {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				got <- 0
				return
			}
			_ = resp.Body.Close()
			got <- resp.StatusCode
		}()
	}
	counts := map[int]int{}
	for range cap(got) {
		counts[<-got]++
	}
	if counts[http.StatusServiceUnavailable] != 3 || counts[http.StatusBadGateway] != 2 {
		t.Errorf("with room for 2: %v; want 3 × 503 at once and 2 × 502 in the end", counts)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{Connections: 1}})
	serveApp(t, p, echoLength)
	first, _ := dialProxy(t, p)
	second, br := dialProxy(t, p)
	_, err := io.WriteString(second, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	must(t, err)
	must(t, second.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if _, err := br.Peek(1); !os.IsTimeout(err) {
		t.Errorf("the connection over the limit got %v, want to wait", err)
	}
	must(t, first.Close())
	must(t, second.SetReadDeadline(time.Now().Add(10*time.Second)))
	if got := status(t, br); got != http.StatusOK {
		t.Errorf("once there is room: status %d", got)
	}
}

// A connection that was opened to be ready is not closed before its first
// request, however short the limit for a head is.
func TestSpareConnectionsStay(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{HeaderTime: 100 * time.Millisecond}})
	serveApp(t, p, echoLength)
	nc, br := dialProxy(t, p)
	must(t, nc.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	if _, err := br.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("before the first request: %v, want the connection open", err)
	}
	must(t, nc.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
	must(t, err)
	if got := status(t, br); got != http.StatusOK {
		t.Errorf("the first request: %d, want 200", got)
	}
}
