package main

import (
	"context"
	"fmt"
	"time"

	"teal/cmd/load/loadgen"
)

// client sends requests to one app all the time.
type client struct {
	gen  *loadgen.Generator
	seen int // failures that were looked at
}

// requests are what clients sent, summed up over all of them.
type requests struct {
	sent, ok, failed int64
	excused          map[string]int64 // failed, by the name of the window
	worst            time.Duration
}

// connect begins to send requests to a.
func (s *soaker) connect(ctx context.Context, a *app) error {
	gen, err := loadgen.New(ctx, loadgen.Config{
		URL:         fmt.Sprintf("http://%s:%d/", s.stage.host.Address, listenPort),
		Host:        a.host(),
		Rate:        s.set.rate / float64(s.set.apps),
		Connections: 4, Timeout: time.Minute, Samples: 1 << 20,
	})
	if err != nil {
		return fmt.Errorf("prepare the client of %s: %w", a.name, err)
	}
	gen.Start(ctx)
	a.client = &client{gen: gen}
	return nil
}

// disconnect ends the requests to a and counts them.
func (s *soaker) disconnect(a *app) {
	if a.client == nil {
		return
	}
	a.client.gen.Stop()
	s.hear(a)
	r := a.client.gen.Snapshot()
	s.requests.sent += r.Sent
	s.requests.ok += r.OK
	s.requests.worst = max(s.requests.worst, r.Latency.Max)
	a.client = nil
}

// hear looks at what a's client was answered since the last time. The caller
// holds s.mu.
func (s *soaker) hear(a *app) {
	if a.client == nil {
		return
	}
	for version, seen := range a.client.gen.Lap() {
		if why := a.judge(version); why != "" {
			s.find("version", "%s: %s, %d times from %s to %s", a.name, why, seen.Count, clock(seen.First), clock(seen.Last))
		}
		if version == a.version && !a.edited.IsZero() {
			s.traffic = append(s.traffic, took{a.name.String(), version, seen.First.Sub(a.edited)})
			a.edited = time.Time{}
		}
	}
	r := a.client.gen.Snapshot()
	for _, f := range r.Errors[a.client.seen:] {
		s.requests.failed++
		if name := excuseFor(a.excuses, f); name != "" {
			s.requests.excused[name]++
			continue
		}
		s.find("request", "%s: %s failed (%s, due %s, seen %s): %s", a.name, f.Method, f.Kind, clock(f.Due), clock(f.At), f.Text)
	}
	a.client.seen = len(r.Errors)
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// took is how long an edit needed until the first answer of its version.
type took struct {
	app, version string
	time         time.Duration
}
