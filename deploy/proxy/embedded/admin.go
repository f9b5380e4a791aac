package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"teal/reconcile"
)

const (
	apiVersion   = 1
	tablePath    = "/v1/table"
	snapshotPath = "/v1/snapshot"
	metricsPath  = "/metrics"
	maxTable     = 32 << 20 // bytes of a table in a request
	adminTime    = 30 * time.Second

	temporarySuffix = ".new"
)

// reply is what the admin socket answers.
type reply struct {
	Version  int                 `json:"version"`
	Snapshot *reconcile.Snapshot `json:"snapshot,omitempty"`
	// Damaged is why the newest table on disk could not be read; Snapshot is what
	// is served instead.
	Damaged string `json:"damaged,omitempty"`
	// Instance is Config.Instance of the proxy that answers.
	Instance string `json:"instance,omitempty"`
	Code     string `json:"code,omitempty"` // of a refusal
	Error    string `json:"error,omitempty"`
}

// Codes of refusals.
const (
	codeInvalid = "invalid"
	codeStale   = "stale"
	codeFailed  = "failed"
	codeMoved   = "moved" // ask again: another proxy is taking over
)

// admin are the listeners that are not for clients.
type admin struct {
	mu       sync.Mutex
	closed   bool
	path     string // of the admin socket
	mux      *http.ServeMux
	servers  []*http.Server // at the admin socket
	handover net.Listener   // successors take the listeners here
	metrics  *http.Server   // nil: none
	figures  *edge          // where it listens
}

func (s *server) openAdmin(ctx context.Context, c Config, from places, out *Addresses) error {
	metrics, err := metricsHandler(s.proxy)
	if err != nil {
		return err
	}
	a := &s.admin
	a.path, a.mux = c.Admin, http.NewServeMux()
	a.mux.HandleFunc("PUT "+tablePath, s.control.putTable)
	a.mux.HandleFunc("GET "+snapshotPath, s.control.getSnapshot)
	a.mux.Handle("GET "+metricsPath, metrics)
	if c.Metrics != "" {
		if a.figures, err = s.listenEdge(ctx, c.Metrics, places{inherited: from.inherited, slots: make(chan struct{}, maxScrapers)}); err != nil {
			return err
		}
		out.Metrics = a.figures.Addr().String()
		public := http.NewServeMux()
		public.Handle("GET "+metricsPath, metrics)
		a.metrics = &http.Server{Handler: public, ReadTimeout: adminTime, WriteTimeout: adminTime}
		s.run(func() error { return a.metrics.Serve(a.figures) })
	}
	return s.listenAdmin(ctx)
}

// maxScrapers is how many may read the metrics at a time.
const maxScrapers = 64

// listenAdmin takes the sockets of the driver and of successors, or takes them
// back.
func (s *server) listenAdmin(ctx context.Context) error {
	a := &s.admin
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return net.ErrClosed
	}
	ln, err := listenUnix(ctx, a.path)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: a.mux, ReadTimeout: adminTime, WriteTimeout: adminTime}
	a.servers = append(a.servers, srv)
	s.run(func() error { return srv.Serve(ln) })
	hln, err := listenUnix(ctx, a.path+handoverSuffix)
	if err != nil {
		return err
	}
	a.handover = hln
	s.run(func() error { return s.offer(hln) }) //nolint:contextcheck // it goes on for as long as the proxy does
	return nil
}

func (a *admin) closeMetrics() {
	if a.metrics != nil {
		_ = a.metrics.Close() // nobody loses more than a reading
	}
}

// close ends all of them. What is closed already says so, which is no news.
func (a *admin) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.closeMetrics()
	for _, srv := range a.servers {
		_ = srv.Close()
	}
	if a.handover != nil {
		_ = a.handover.Close()
	}
}

// listenUnix listens at path for its owner only. A socket that is there already
// is replaced in one step: it is a dead proxy's, or the one's that hands over.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	temporary := path + temporarySuffix
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", temporary)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // the path may be a successor's by then
	if err := errors.Join(os.Chmod(temporary, 0o600), os.Rename(temporary, path)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, errors.Join(err, ln.Close()))
	}
	return ln, nil
}

func (c *control) putTable(w http.ResponseWriter, r *http.Request) {
	var t reconcile.Table
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTable))
	d.DisallowUnknownFields()
	err := d.Decode(&t)
	if err == nil && d.Decode(new(json.RawMessage)) != io.EOF {
		err = errors.New("there is more than one table")
	}
	if err != nil {
		respond(w, http.StatusBadRequest, reply{Code: codeInvalid, Error: fmt.Sprintf("the table cannot be read: %v", err)})
		return
	}
	switch err := c.apply(t); {
	case err == nil:
		respond(w, http.StatusOK, reply{})
	case errors.Is(err, ErrInvalid):
		respond(w, http.StatusBadRequest, reply{Code: codeInvalid, Error: err.Error()})
	case errors.Is(err, ErrStale):
		respond(w, http.StatusConflict, reply{Code: codeStale, Error: err.Error()})
	case errors.Is(err, errMoved):
		respond(w, http.StatusServiceUnavailable, reply{Code: codeMoved, Error: err.Error()})
	default:
		c.log.Error("table was not applied", "seq", t.Seq, "error", err)
		respond(w, http.StatusInternalServerError, reply{Code: codeFailed, Error: err.Error()})
	}
}

func (c *control) getSnapshot(w http.ResponseWriter, _ *http.Request) {
	snapshot, fault, err := c.read()
	switch {
	case errors.Is(err, errMoved):
		respond(w, http.StatusServiceUnavailable, reply{Code: codeMoved, Error: err.Error()})
		return
	case err != nil:
		respond(w, http.StatusInternalServerError, reply{Code: codeFailed, Error: err.Error()})
		return
	}
	out := reply{Snapshot: &snapshot, Instance: c.instance}
	if fault != nil {
		out.Damaged = fault.Error()
	}
	respond(w, http.StatusOK, out)
}

func respond(w http.ResponseWriter, status int, r reply) {
	r.Version = apiVersion
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r) // fails only when the caller has gone
}
