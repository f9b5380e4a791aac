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
	Code    string `json:"code,omitempty"` // of a refusal
	Error   string `json:"error,omitempty"`
}

// Codes of refusals.
const (
	codeInvalid = "invalid"
	codeStale   = "stale"
	codeFailed  = "failed"
)

func (s *server) openAdmin(ctx context.Context, c Config, out *Addresses) error {
	metrics, err := metricsHandler(s.proxy)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT "+tablePath, s.control.putTable)
	mux.HandleFunc("GET "+snapshotPath, s.control.getSnapshot)
	mux.Handle("GET "+metricsPath, metrics)
	ln, err := listenUnix(ctx, c.Admin)
	if err != nil {
		return err
	}
	s.serveAdmin(ln, mux)
	hln, err := listenUnix(ctx, c.Admin+handoverSuffix)
	if err != nil {
		return err
	}
	s.handover = hln
	s.run(func() error { return s.offer(hln) })
	if c.Metrics == "" {
		return nil
	}
	mln, err := listen(ctx, c.Metrics)
	if err != nil {
		return err
	}
	out.Metrics = mln.Addr().String()
	public := http.NewServeMux()
	public.Handle("GET "+metricsPath, metrics)
	s.serveAdmin(mln, public)
	return nil
}

func (s *server) serveAdmin(ln net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadTimeout: adminTime, WriteTimeout: adminTime}
	s.admin = append(s.admin, srv)
	s.run(func() error { return srv.Serve(ln) })
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
	default:
		c.log.Error("table was not applied", "seq", t.Seq, "error", err)
		respond(w, http.StatusInternalServerError, reply{Code: codeFailed, Error: err.Error()})
	}
}

func (c *control) getSnapshot(w http.ResponseWriter, _ *http.Request) {
	snapshot, fault := c.read()
	out := reply{Snapshot: &snapshot}
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
