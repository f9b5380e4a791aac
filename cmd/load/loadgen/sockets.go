package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// SocketConfig says which WebSockets are kept open. The zero value of each
// field but URL stands for the default named at it.
type SocketConfig struct {
	// URL is a ws or wss address on a loopback or private address.
	URL string
	// Count is how many are kept open. Default 10.
	Count int
	// Ping is the time between pings on each. Default 1 s.
	Ping time.Duration
	// Timeout limits a handshake, and the answer to a ping. Default 5 s.
	Timeout time.Duration
}

// Life is one WebSocket from its handshake to its end.
type Life struct {
	Opened  time.Time `json:"opened"`
	Closed  time.Time `json:"closed,omitzero"` // zero: still open when the report was made
	Version string    `json:"version"`         // of the handshake's answer, by VersionHeader
	Pings   int       `json:"pings"`           // answered
	Reason  string    `json:"reason,omitempty"`
}

// SocketReport is what became of the WebSockets.
type SocketReport struct {
	Lives   []Life   `json:"lives"`            // ended ones first, in the order of their ends
	Refused int      `json:"refused"`          // handshakes that failed
	Errors  []string `json:"errors,omitempty"` // of the first refused handshakes
	Ended   int      `json:"ended"`            // by the other side, or by a lost ping
}

// Sockets keeps WebSockets open, pings them, and opens a new one in the place
// of one that ended. Make one with [NewSockets].
type Sockets struct {
	cfg    SocketConfig
	client *http.Client
	work   sync.WaitGroup
	halt   sync.Once
	stop   chan struct{}

	mu     sync.Mutex
	report SocketReport
	open   map[*Life]bool
}

const (
	defaultSockets       = 10
	defaultPing          = time.Second
	defaultSocketTimeout = 5 * time.Second
	reopenPause          = 100 * time.Millisecond
)

// NewSockets returns a set that has opened nothing yet. It returns
// [ErrForeignAddress] as [New] does.
func NewSockets(ctx context.Context, cfg SocketConfig) (*Sockets, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("read URL: %w", err)
	}
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Hostname() == "" {
		return nil, fmt.Errorf("URL %q: must look like ws://127.0.0.1:8000/ws", cfg.URL)
	}
	if err := CheckHost(ctx, u.Hostname()); err != nil {
		return nil, err
	}
	cfg.Count = orElse(cfg.Count, defaultSockets)
	cfg.Ping = orElse(cfg.Ping, defaultPing)
	cfg.Timeout = orElse(cfg.Timeout, defaultSocketTimeout)
	return &Sockets{
		cfg:    cfg,
		client: &http.Client{Transport: &http.Transport{DialContext: dialer().DialContext}},
		stop:   make(chan struct{}),
		open:   map[*Life]bool{},
	}, nil
}

// Start begins to open WebSockets, until [Sockets.Stop] is called or ctx ends.
// It may be called once.
func (s *Sockets) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.work.Go(func() {
		defer cancel()
		select {
		case <-s.stop:
		case <-ctx.Done():
		}
	})
	for range s.cfg.Count {
		s.work.Go(func() { s.keep(ctx) })
	}
}

// Stop closes all of them and returns what became of each. It may be called again.
func (s *Sockets) Stop() SocketReport {
	s.halt.Do(func() { close(s.stop) })
	s.work.Wait()
	return s.Snapshot()
}

// Snapshot returns what became of the WebSockets so far.
func (s *Sockets) Snapshot() SocketReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.report
	r.Errors = slices.Clone(r.Errors)
	r.Lives = slices.Clone(r.Lives)
	for l := range s.open {
		r.Lives = append(r.Lives, *l)
	}
	return r
}

// keep holds one place: it opens a WebSocket again whenever it ended.
func (s *Sockets) keep(ctx context.Context) {
	for ctx.Err() == nil {
		conn, life, err := s.dial(ctx)
		if err != nil {
			s.refused(ctx, err)
		} else {
			s.ended(ctx, life, s.ping(ctx, conn, life))
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopenPause):
		}
	}
}

func (s *Sockets) dial(ctx context.Context) (*websocket.Conn, *Life, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	//nolint:bodyclose // the body is the WebSocket, which is closed as such
	conn, resp, err := websocket.Dial(ctx, s.cfg.URL, &websocket.DialOptions{HTTPClient: s.client})
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", s.cfg.URL, err)
	}
	life := &Life{Opened: time.Now(), Version: resp.Header.Get(VersionHeader)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[life] = true
	return conn, life, nil
}

// ping sends pings until the WebSocket or ctx ends, and returns why it ended.
func (s *Sockets) ping(ctx context.Context, conn *websocket.Conn, life *Life) error {
	ctx, stop := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { stop(discard(ctx, conn)) })
	defer reader.Wait()
	defer conn.CloseNow()
	tick := time.NewTicker(s.cfg.Ping)
	defer tick.Stop()
	for {
		if err := s.pingOnce(ctx, conn); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause // the reader saw why
			}
			return err
		}
		s.mu.Lock()
		life.Pings++
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// discard reads messages, and with them the answers to pings, until there are
// no more, and returns why.
func discard(ctx context.Context, conn *websocket.Conn) error {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
}

func (s *Sockets) pingOnce(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return conn.Ping(ctx)
}

// ended moves life to the report. An end that the caller asked for has no reason.
func (s *Sockets) ended(ctx context.Context, life *Life, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, life)
	life.Closed = time.Now()
	if ctx.Err() == nil {
		life.Reason = why.Error()
		s.report.Ended++
	}
	s.report.Lives = append(s.report.Lives, *life)
}

func (s *Sockets) refused(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Refused++
	if len(s.report.Errors) < defaultSamples {
		s.report.Errors = append(s.report.Errors, err.Error())
	}
}
