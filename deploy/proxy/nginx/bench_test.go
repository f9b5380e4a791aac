package nginx

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// BenchmarkAgainstPlain compares the CPU time per request and the throughput of
// Teal's configuration with those of the same nginx that only passes requests
// on: as most people write it (a connection per request), and with kept
// connections and the usual access log. They take turns in short rounds; the
// median of the rounds is told. Needs wrk.
func BenchmarkAgainstPlain(b *testing.B) {
	backend := benchBackend(b)
	figures := map[string][]benchFigure{}
	kinds := []struct {
		name string
		run  func() func() benchFigure
	}{
		{"plain", func() func() benchFigure { return benchPlain(b, backend, "", "off") }},
		{"kept", func() func() benchFigure { return benchPlain(b, backend, "keepalive 64;", "off") }},
		{"kept-logged", func() func() benchFigure { return benchPlain(b, backend, "keepalive 64;", "access.log") }},
		{"teal", func() func() benchFigure { return benchTeal(b, backend, "127.0.0.1:0") }},
		{"teal-unlogged", func() func() benchFigure { return benchTeal(b, backend, "") }},
	}
	measures := make([]func() benchFigure, len(kinds))
	for i, k := range kinds {
		measures[i] = k.run()
		measures[i]() // warm
	}
	for b.Loop() {
		for i, k := range kinds {
			figures[k.name] = append(figures[k.name], measures[i]())
		}
	}
	for _, k := range kinds {
		cpu, rate := medians(figures[k.name])
		b.ReportMetric(cpu, k.name+"-us/req")
		b.ReportMetric(rate, k.name+"-req/s")
	}
	b.ReportMetric(0, "ns/op")
}

type benchFigure struct{ cpu, rate float64 } // µs per request; requests per second

func medians(f []benchFigure) (cpu, rate float64) {
	middle := func(of func(benchFigure) float64) float64 {
		var all []float64
		for _, x := range f {
			all = append(all, of(x))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return middle(func(f benchFigure) float64 { return f.cpu }), middle(func(f benchFigure) float64 { return f.rate })
}

// benchBackend is an nginx that answers itself: it costs less than anything
// behind it.
func benchBackend(b *testing.B) string {
	address := freeAddress(b)
	startPlain(b, fmt.Sprintf("server { listen %s; keepalive_requests 100000000; location / { return 200 \"hello\\n\"; } }", address), "off")
	return address
}

func benchPlain(b *testing.B, backend, keep, log string) func() benchFigure {
	address, pass := freeAddress(b), "proxy_pass http://"+backend+";"
	upstream := ""
	if keep != "" {
		upstream = fmt.Sprintf("upstream app { server %s; %s }", backend, keep)
		pass = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_pass http://app;`
	}
	pid := startPlain(b, fmt.Sprintf("%s server { listen %s; keepalive_requests 100000000; location / { %s } }", upstream, address, pass), log)
	return func() benchFigure { return wrk(b, address, pid) }
}

func benchTeal(b *testing.B, backend, syslog string) func() benchFigure {
	address := freeAddress(b)
	r := startNginxWith(b, Options{Servers: &Servers{Listen: []string{address}}, Syslog: Syslog{Listen: syslog}}, 1)
	route := reconcile.Route{App: spec.Name{Project: "shop", Service: "web"}, Host: "*", Path: "/", Backends: []reconcile.Backend{
		{Colour: spec.Blue, Revision: "r1", Targets: []string{freeAddress(b)}},
		{Colour: spec.Green, Revision: "r2", Weight: 100, Targets: []string{backend}},
	}}
	must(b, r.driver.Apply(b.Context(), reconcile.Table{Seq: 1, Routes: []reconcile.Route{route}}))
	return func() benchFigure { return wrk(b, address, r.pid()) }
}

// startPlain runs an nginx with one worker until the benchmark ends.
func startPlain(b *testing.B, servers, log string) int {
	dir := b.TempDir()
	if log != "off" {
		log = filepath.Join(dir, log)
	}
	config := filepath.Join(dir, "nginx.conf")
	must(b, os.WriteFile(config, fmt.Appendf(nil, `worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { worker_connections 4096; }
http { access_log %[2]s; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; %[3]s }
`, dir, log, servers), 0o644))
	r := &running{t: b, dir: dir}
	_, err := NewLocal(LocalOptions{Config: config, Prefix: dir}).Nginx(b.Context())
	must(b, err)
	b.Cleanup(func() { r.end(15) })
	return r.pid()
}

var wrkCount = regexp.MustCompile(`(\d+) requests in`)

// wrk loads an address and returns what the workers of nginx spent on it.
func wrk(b *testing.B, address string, master int) benchFigure {
	before := workerTime(b, master)
	began := time.Now()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c64", "-d1s", "http://"+address+"/").CombinedOutput()
	must(b, err)
	took := time.Since(began)
	m := wrkCount.FindSubmatch(out)
	if m == nil || strings.Contains(string(out), "Non-2xx") {
		b.Fatalf("wrk said: %s", out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	must(b, err)
	spent := workerTime(b, master) - before
	return benchFigure{cpu: float64(spent.Microseconds()) / n, rate: n / took.Seconds()}
}

// workerTime is the CPU time of the master's workers, from the scheduler's own
// count in nanoseconds.
func workerTime(b *testing.B, master int) time.Duration {
	pid := strconv.Itoa(master)
	children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	must(b, err)
	var total time.Duration
	for child := range strings.FieldsSeq(string(children)) {
		stat, err := os.ReadFile("/proc/" + child + "/schedstat")
		must(b, err)
		ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		must(b, err)
		total += time.Duration(ns)
	}
	return total
}
