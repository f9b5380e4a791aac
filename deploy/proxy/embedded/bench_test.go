package embedded

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	benchConns = 64
	benchRound = 4000 // requests per proxy and round
)

// BenchmarkProxyCPU compares the CPU time per request of this proxy with that of
// the standard library's reverse proxy in ten lines, once as it comes and once
// with enough kept connections. Each is a process; they take turns in rounds, so
// that what else the machine does hits all alike.
func BenchmarkProxyCPU(b *testing.B) {
	for _, kind := range []struct{ name, request string }{
		{"GET", "GET /path?q=1 HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"},
		{"POST", "POST /path HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: bench\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n01234567890123456789"},
	} {
		b.Run(kind.name, func(b *testing.B) { benchCPU(b, kind.request) })
	}
}

func benchCPU(b *testing.B, request string) {
	target := benchBackend(b)
	kinds := []string{"embedded", "stdlib", "stdlib-tuned"}
	loads, spent := map[string]*benchLoad{}, map[string]time.Duration{}
	children := map[string]*child{}
	for _, kind := range kinds {
		children[kind] = startChild(b, kind, target)
		loads[kind] = newBenchLoad(b, children[kind].address, request)
		loads[kind].run(b, benchRound) // warm
	}
	for b.Loop() {
		for _, kind := range kinds {
			before, _ := children[kind].used(b)
			loads[kind].run(b, benchRound)
			after, _ := children[kind].used(b)
			spent[kind] += after - before
		}
	}
	for _, kind := range kinds {
		b.ReportMetric(float64(spent[kind].Microseconds())/float64(b.N*benchRound), kind+"-cpu-us/req")
	}
	b.ReportMetric(float64(spent["embedded"])/float64(spent["stdlib"]), "ratio")
	b.ReportMetric(float64(spent["embedded"])/float64(spent["stdlib-tuned"]), "ratio-tuned")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProxyMemory sends many requests and reports the memory of the
// process after a tenth of them and at the end. TEAL_BENCH_REQUESTS sets how
// many; a million takes a minute or two.
func BenchmarkProxyMemory(b *testing.B) {
	total := 200_000
	if s := os.Getenv("TEAL_BENCH_REQUESTS"); s != "" {
		n, err := strconv.Atoi(s)
		must(b, err)
		total = n
	}
	target := benchBackend(b)
	for b.Loop() {
		c := startChild(b, "embedded", target)
		load := newBenchLoad(b, c.address, "GET / HTTP/1.1\r\nHost: bench.example.com\r\n\r\n")
		load.run(b, total/10)
		_, early := c.used(b)
		load.run(b, total-total/10)
		_, late := c.used(b)
		b.ReportMetric(float64(early)/1024, "MiB-at-a-tenth")
		b.ReportMetric(float64(late)/1024, "MiB-at-the-end")
		b.ReportMetric(float64(total), "requests")
	}
}

// benchBackend answers every request with a few bytes, as cheaply as Go can.
func benchBackend(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello\n")
	})}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.Serve(ln) }) // ends by Close
	b.Cleanup(func() {
		_ = srv.Close()
		done.Wait()
	})
	return ln.Addr().String()
}

// benchLoad is kept connections to one proxy.
type benchLoad struct {
	request []byte
	conns   []net.Conn
	readers []*bufio.Reader
}

func newBenchLoad(b *testing.B, address, request string) *benchLoad {
	b.Helper()
	l := &benchLoad{request: []byte(request)}
	for range benchConns {
		nc, err := net.Dial("tcp", address)
		must(b, err)
		b.Cleanup(func() { _ = nc.Close() })
		l.conns = append(l.conns, nc)
		l.readers = append(l.readers, bufio.NewReader(nc))
	}
	return l
}

// run sends n requests over all connections.
func (l *benchLoad) run(b *testing.B, n int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	errs := make(chan error, len(l.conns))
	for i, nc := range l.conns {
		go func() {
			var err error
			for err == nil && left.Add(-1) >= 0 {
				err = exchangeOnce(nc, l.readers[i], l.request)
			}
			errs <- err
		}()
	}
	for range l.conns {
		must(b, <-errs)
	}
}

// exchangeOnce sends a request and reads an answer with a Content-Length.
func exchangeOnce(nc net.Conn, br *bufio.Reader, request []byte) error {
	if _, err := nc.Write(request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("answered %q", line)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := br.Discard(length)
	return err
}
