package contract

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal/spec"
)

const (
	loadConns = 32
	loadPause = 100 * time.Millisecond
)

// testLoad switches back and forth between two colours under a constant rate of
// requests on kept connections, every second one a POST, none repeated. After
// each switch it does what Teal does: reads back until nothing is in flight on
// the old colour, then kills it, and starts it anew at the same address.
func testLoad(t *testing.T, e *env) {
	name := func(i int) string { return fmt.Sprintf("v%d", i) }
	servers := [2]*server{e.start(name(0)), e.start(name(1))}
	addresses := [2]string{servers[0].address, servers[1].address}
	colours := [2]spec.Colour{spec.Blue, spec.Green}
	e.apply(routeTo(on(colours[0], name(0), servers[0])))
	load := e.startLoad()
	for i := 1; i <= e.Switches; i++ {
		fresh, old := i%2, (i+1)%2
		if i > 1 {
			servers[fresh] = e.startAt(addresses[fresh], name(i))
		}
		next := on(colours[fresh], name(i), servers[fresh])
		e.apply(routeTo(next, on(colours[old], name(i-1), servers[old])))
		e.eventually("the old colour drains", func() bool { return e.traffic(app, name(i-1)).InFlight == 0 })
		e.apply(routeTo(next))
		servers[old].stop()
		pause := time.NewTimer(loadPause)
		<-pause.C
	}
	sent, failed, first := load.stop()
	t.Logf("%d switches, %d requests, %d failed", e.Switches, sent, failed)
	if failed > 0 {
		t.Errorf("%d of %d requests failed; the first: %v", failed, sent, first)
	}
	if sent < int64(e.Switches)*int64(loadPause/time.Millisecond)*int64(e.Rate)/1000/4 {
		t.Errorf("only %d requests were sent: the load was no load", sent)
	}
}

// startAt starts a backend at an address that another one has just left.
func (e *env) startAt(address, name string) *server {
	e.t.Helper()
	var ln net.Listener
	e.eventually("the address is free again", func() bool {
		var err error
		ln, err = net.Listen("tcp", address)
		return err == nil
	})
	return e.serveOn(ln, name, nil)
}

// load is a constant-rate client.
type load struct {
	e            *env
	quit         chan struct{}
	all          sync.WaitGroup
	sent, failed atomic.Int64
	mu           sync.Mutex
	first        error
}

func (e *env) startLoad() *load {
	l := &load{e: e, quit: make(chan struct{})}
	due := make(chan int)
	for range loadConns {
		l.all.Go(func() { l.client(due) })
	}
	l.all.Go(func() {
		defer close(due)
		tick := time.NewTicker(time.Second / time.Duration(e.Rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-l.quit:
				return
			}
			select {
			case due <- i:
			case <-l.quit:
				return
			}
		}
	})
	e.t.Cleanup(func() { _, _, _ = l.stop() }) // the test has looked at the result by then, or failed
	return l
}

// client sends what is due on one kept connection. It repeats nothing: any
// answer but a whole 200 is a failure.
func (l *load) client(due <-chan int) {
	var nc net.Conn
	var br *bufio.Reader
	for i := range due {
		if nc == nil {
			var err error
			if nc, err = net.Dial("tcp", l.e.Address); err != nil {
				l.note(err)
				continue
			}
			br = bufio.NewReader(nc)
		}
		keep, err := l.once(nc, br, i)
		l.note(err)
		if !keep {
			_ = nc.Close()
			nc = nil
		}
	}
	if nc != nil {
		_ = nc.Close()
	}
}

func (l *load) once(nc net.Conn, br *bufio.Reader, i int) (keep bool, err error) {
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return false, err
	}
	method, body := "GET", ""
	if i%2 == 0 {
		method, body = "POST", strings.Repeat("x", i%5000)
	}
	if _, err := nc.Write([]byte(request(method, "/", "h", body))); err != nil {
		return false, fmt.Errorf("%s %d: %w", method, i, err)
	}
	c := &raw{e: l.e, nc: nc, br: br}
	a, err := c.receive(method)
	if err != nil {
		return false, fmt.Errorf("%s %d: %w", method, i, err)
	}
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, "v") {
		return false, fmt.Errorf("%s %d: %d %q", method, i, a.status, a.body)
	}
	return !a.last, nil
}

func (l *load) note(err error) {
	l.sent.Add(1)
	if err == nil {
		return
	}
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed.Load() <= 5 {
		l.first = errors.Join(l.first, err)
	}
}

// stop ends the load and says how it went.
func (l *load) stop() (sent, failed int64, first error) {
	l.mu.Lock()
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.mu.Unlock()
	l.all.Wait()
	return l.sent.Load(), l.failed.Load(), l.first
}
