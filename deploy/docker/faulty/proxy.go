package faulty

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"sync"
	"time"
)

// Kind says what is done to a call.
type Kind string

// The kinds of faults.
const (
	Late   Kind = "late"   // done after Fault.For, whether the caller still waits or not
	Failed Kind = "failed" // answered with an error, and not done
	Cut    Kind = "cut"    // the connection ends before it is done
	Lost   Kind = "lost"   // done, and the connection ends before the answer
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Late, Failed, Cut, Lost} }

// message is what a [Failed] call is answered with by default.
const message = "planted fault"

// Fault says what is done to which calls.
type Fault struct {
	Call  string // see [CallOf]
	Kind  Kind
	Times int           // how many calls it hits; 0: all, until [Proxy.Heal]
	For   time.Duration // how long Late holds a call back
	// Status and Message are the answer to a Failed call; default: 500 and words of
	// no meaning.
	Status  int
	Message string
}

// Proxy stands between clients and an engine. Make one with [Listen].
type Proxy struct {
	engine  string
	server  *http.Server
	forward *httputil.ReverseProxy
	ended   chan error
	late    sync.WaitGroup
	closed  chan struct{}

	mu     sync.Mutex
	faults []*Fault
	spent  map[*Fault]int
	seen   map[string]int
	open   map[net.Conn]string // the call that a connection carries
}

// Listen makes a proxy that listens at the path of a new unix socket and passes
// on to the engine at another.
func Listen(ctx context.Context, socket, engine string) (*Proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{
		engine: engine, ended: make(chan error, 1), closed: make(chan struct{}),
		spent: map[*Fault]int{}, seen: map[string]int{}, open: map[net.Conn]string{},
	}
	silent := log.New(io.Discard, "", 0) // what is planted is no news
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
			r.Out.Host = r.In.Host
		},
		// A new connection for each call: one of an engine that was restarted is
		// not met again.
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: p.dial},
		// The engine is away: so is the proxy.
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval: -1, ErrorLog: silent,
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), ErrorLog: silent, ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) },
	}
	go func() { p.ended <- p.server.Serve(l) }()
	return p, nil
}

// connection is the key of a request's connection in its context.
type connection struct{}

func (p *Proxy) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", p.engine)
}

// Close ends all connections and waits for what is late.
func (p *Proxy) Close() error {
	close(p.closed)
	err := p.server.Close()
	if ended := <-p.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	p.late.Wait()
	return err
}

// Break adds a fault.
func (p *Proxy) Break(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &f)
}

// Heal ends all faults.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Seen tells how often each call came; calls without a name are under "METHOD path".
func (p *Proxy) Seen() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seen)
}

// Hit tells how many calls the present faults hit.
func (p *Proxy) Hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, f := range p.faults {
		n += p.spent[f]
	}
	return n
}

// End ends the connections that carry a call now, an event stream for example,
// and returns how many there were.
func (p *Proxy) End(call string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	n := 0
	for c, carried := range p.open {
		if carried == call {
			n++
			errs = append(errs, c.Close())
		}
	}
	return n, errors.Join(errs...)
}

// serve passes one call on, with the fault that hits it.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	call := CallOf(r)
	conn, _ := r.Context().Value(connection{}).(net.Conn)
	f, hit := p.begin(call, r, conn)
	defer p.end(conn)
	if !hit {
		p.forward.ServeHTTP(w, r)
		return
	}
	switch f.Kind {
	case Failed:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(cmp.Or(f.Status, http.StatusInternalServerError))
		_ = json.NewEncoder(w).Encode(map[string]string{"message": cmp.Or(f.Message, message)}) // a caller that is gone needs no answer
	case Cut:
		panic(http.ErrAbortHandler)
	case Lost:
		p.lose(r, 0)
		panic(http.ErrAbortHandler)
	case Late:
		p.delay(w, r, f.For)
	}
}

// begin counts a call and returns the fault that hits it.
func (p *Proxy) begin(call string, r *http.Request, conn net.Conn) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if call == "" {
		call = r.Method + " " + r.URL.Path
	}
	p.seen[call]++
	p.open[conn] = call
	i := slices.IndexFunc(p.faults, func(f *Fault) bool { return f.Call == call && (f.Times == 0 || p.spent[f] < f.Times) })
	if i < 0 {
		return Fault{}, false
	}
	p.spent[p.faults[i]]++
	return *p.faults[i], true
}

func (p *Proxy) end(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}
