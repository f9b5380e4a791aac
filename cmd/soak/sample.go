package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"teal/deploy/workbench"
	"teal/spec"
)

// sample is what controller, proxy and engine use while everything is at rest.
type sample struct {
	at     time.Time
	life   int // of the controller
	values map[string]float64
}

// sample measures once.
func (s *soaker) sample(ctx context.Context) error {
	one := sample{at: time.Now(), life: s.teal.lives, values: map[string]float64{}}
	metrics, err := s.metrics(ctx)
	if err != nil {
		return err
	}
	one.values[controllerMemory] = metrics["process_resident_memory_bytes"] / (1 << 20)
	one.values[controllerGoroutines] = metrics["go_goroutines"]
	one.values[controllerFiles] = metrics["process_open_fds"]
	if n := metrics["teal_panics_total"]; n > 0 {
		s.find("panic", "the controller survived %g panics: %s", n, s.teal.lastWords(40))
	}
	info, err := os.Stat(s.teal.path("state/teal.db"))
	if err != nil {
		return err
	}
	one.values[database] = float64(info.Size()) / (1 << 20)
	if err := s.sampleProxy(ctx, one.values); err != nil {
		return err
	}
	count, err := s.stage.bench.Count(ctx)
	if err != nil {
		return err
	}
	one.values[containers], one.values[networks] = float64(count.Containers), float64(count.Networks)
	one.values[volumes], one.values[images] = float64(count.Volumes), float64(count.Images)
	s.report.samples = append(s.report.samples, one)
	return s.countEvents(ctx)
}

// metrics asks the controller for its own.
func (s *soaker) metrics(ctx context.Context) (map[string]float64, error) {
	var d net.Dialer
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", s.teal.socket())
		},
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://teal/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w", err)
	}
	defer res.Body.Close()
	return parseMetrics(res.Body)
}

// parseMetrics reads values without labels.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	out := map[string]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") || strings.Contains(name, "{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", name, err)
		}
		out[name] = n
	}
	return out, lines.Err()
}

// sampleProxy looks at the proxy's process on its host.
func (s *soaker) sampleProxy(ctx context.Context, to map[string]float64) error {
	running, err := s.stage.bench.Running(ctx, controllerID)
	if err != nil {
		return err
	}
	at := slicesIndex(running)
	if at < 0 {
		return errors.New("sample the proxy: its container does not run")
	}
	pid := strconv.Itoa(running[at].PID)
	out, err := s.stage.host.Run(ctx, "sh", "-c", `grep -h -e VmRSS -e Threads /proc/$0/status && ls /proc/$0/fd | wc -l`, pid)
	if err != nil {
		return err
	}
	words := strings.Fields(string(out)) // VmRSS: 123 kB Threads: 7 12
	if len(words) != 6 {
		return fmt.Errorf("sample the proxy: %q", out)
	}
	for name, at := range map[string]int{proxyMemory: 1, proxyThreads: 4, proxyFiles: 5} {
		n, err := strconv.ParseFloat(words[at], 64)
		if err != nil {
			return fmt.Errorf("sample the proxy: %w", err)
		}
		to[name] = n
	}
	to[proxyMemory] /= 1 << 10
	return nil
}

func slicesIndex(running []workbench.Running) int {
	for i, c := range running {
		if c.Role == spec.RoleProxy {
			return i
		}
	}
	return -1
}
