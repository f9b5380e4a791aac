package adopt

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Times of the measurement.
const (
	askEvery = 2 * time.Millisecond
	askLimit = 2 * time.Second
	askers   = 64 // at a time: one that hangs delays no other
)

// Gap is how long an address answered nobody, as seen by clients that opened a
// new connection every two milliseconds.
type Gap struct {
	Lost  time.Duration // from the first request that was lost to the first answer after it
	Tries int           // requests in that time
	Asked int           // requests in all
}

// Watch sends GET requests to url, each on a connection of its own, and calls
// act when the first was answered. It returns when act is done and requests are
// answered again, or ctx ends. Any answer counts, also one that says no.
func Watch(ctx context.Context, url, host string, act func(context.Context) error) (Gap, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &watch{url: url, host: host}
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() { w.keepAsking(ctx) })
	if err := w.await(ctx, time.Time{}); err != nil {
		return Gap{}, err
	}
	begun := time.Now()
	if err := act(ctx); err != nil {
		return w.gap(begun), err
	}
	err := w.await(ctx, time.Now())
	return w.gap(begun), err
}

// watch is one measurement.
type watch struct {
	url, host string
	mu        sync.Mutex
	asked     []request
}

// request is one that has ended.
type request struct {
	begun, ended time.Time
	answered     bool
}

func (w *watch) keepAsking(ctx context.Context) {
	client := &http.Client{
		Timeout:       askLimit,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	free := make(chan struct{}, askers)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case free <- struct{}{}:
			all.Go(func() { w.ask(ctx, client); <-free })
		default: // the others hang; their time counts
		}
	}
}

func (w *watch) ask(ctx context.Context, client *http.Client) {
	r := request{begun: time.Now()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return
	}
	req.Host = w.host
	res, err := client.Do(req)
	if err == nil {
		_ = res.Body.Close() // its head was the answer
	}
	if ctx.Err() != nil {
		return
	}
	r.ended, r.answered = time.Now(), err == nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r)
}

// await waits for an answer to a request that began after since.
func (w *watch) await(ctx context.Context, since time.Time) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		w.mu.Lock()
		found := slices.ContainsFunc(w.asked, func(r request) bool { return r.answered && r.begun.After(since) })
		w.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// gap is the longest time, since begun, without an answer that lost requests.
func (w *watch) gap(begun time.Time) Gap {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := slices.Clone(w.asked)
	slices.SortFunc(asked, func(a, b request) int { return a.begun.Compare(b.begun) })
	out := Gap{Asked: len(asked)}
	var first time.Time
	for _, r := range asked {
		switch {
		case r.answered && first.IsZero():
		case r.answered:
			out.Lost = max(out.Lost, r.ended.Sub(first))
			first = time.Time{}
		case r.begun.After(begun.Add(-askLimit)):
			out.Tries++
			if first.IsZero() {
				first = r.begun
			}
		}
	}
	return out
}
