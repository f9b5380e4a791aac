package loadgen

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Generator sends requests at a constant rate. Make one with [New].
type Generator struct {
	cfg     Config
	url     *url.URL
	clients []*http.Transport
	slots   chan struct{} // one entry per request under way
	tally   tally
	stop    chan struct{}
	halt    sync.Once
	work    sync.WaitGroup // the scheduler and every request
}

// New returns a generator that has sent nothing yet. It returns an error that
// says what is wrong with cfg, [ErrForeignAddress] for a URL that names an
// address outside this machine and private networks.
func New(ctx context.Context, cfg Config) (*Generator, error) {
	cfg, target, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := CheckHost(ctx, target.Hostname()); err != nil {
		return nil, err
	}
	g := &Generator{
		cfg:   cfg,
		url:   target,
		slots: make(chan struct{}, cfg.MaxInFlight),
		stop:  make(chan struct{}),
		tally: tally{samples: cfg.Samples, lap: map[string]Seen{}},
	}
	g.tally.report = Report{Rate: cfg.Rate, Failures: map[Kind]int64{}, Versions: map[string]Seen{}}
	for range cfg.Connections {
		g.clients = append(g.clients, &http.Transport{
			DialContext:         dialer().DialContext,
			DisableCompression:  true,
			MaxIdleConnsPerHost: cfg.MaxInFlight,
			TLSHandshakeTimeout: cfg.Timeout,
		})
	}
	return g, nil
}

// Start begins to send, until [Generator.Stop] is called or ctx ends. It may be
// called once.
func (g *Generator) Start(ctx context.Context) {
	started := time.Now()
	g.tally.mu.Lock()
	g.tally.report.Started = started
	g.tally.mu.Unlock()
	g.work.Go(func() { g.schedule(ctx, started) })
}

// Stop ends the sending, waits for the answers under way (at most the request
// limit) and returns the final count. It may be called again.
func (g *Generator) Stop() Report {
	g.halt.Do(func() { close(g.stop) })
	g.work.Wait()
	for _, c := range g.clients {
		c.CloseIdleConnections()
	}
	g.tally.mu.Lock()
	if g.tally.report.Ended.IsZero() {
		g.tally.report.Ended = time.Now()
	}
	g.tally.mu.Unlock()
	return g.tally.snapshot()
}

// Snapshot returns the count so far.
func (g *Generator) Snapshot() Report { return g.tally.snapshot() }

// Lap returns which versions answered since the previous call, and forgets them.
func (g *Generator) Lap() map[string]Seen { return g.tally.nextLap() }

// SinceLap returns which versions answered since the last call of
// [Generator.Lap].
func (g *Generator) SinceLap() map[string]Seen { return g.tally.sinceLap() }

// schedule sends request n at started + n/rate. After a pause of this process
// it sends all that became due, and the lag is recorded.
func (g *Generator) schedule(ctx context.Context, started time.Time) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := started.Add(time.Duration(float64(n) / g.cfg.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-g.stop:
				return
			case <-timer.C:
			}
		} else if g.ended(ctx) {
			return
		}
		g.launch(ctx, n, due)
	}
}

func (g *Generator) ended(ctx context.Context) bool {
	select {
	case <-g.stop:
		return true
	default:
		return ctx.Err() != nil
	}
}

// launch sends request n in a goroutine of its own, or counts it as failed.
func (g *Generator) launch(ctx context.Context, n int, due time.Time) {
	sent := time.Now()
	method := g.method(n)
	g.tally.due(method, sent.Sub(due))
	select {
	case g.slots <- struct{}{}:
	default:
		g.tally.done(answer{due: due, sent: sent, at: sent, method: method, kind: Saturated, text: "too many requests under way"})
		return
	}
	client := g.clients[n%len(g.clients)]
	g.work.Go(func() {
		defer func() { <-g.slots }()
		g.tally.done(g.exchange(ctx, client, answer{due: due, sent: sent, method: method}))
	})
}

// method spreads the POSTs evenly: request n is one when the count of POSTs due
// rises with it. With a share of 0.5 every second one is.
func (g *Generator) method(n int) string {
	before := math.Floor(float64(n) * g.cfg.Post)
	if math.Floor(float64(n+1)*g.cfg.Post) > before {
		return http.MethodPost
	}
	return http.MethodGet
}
