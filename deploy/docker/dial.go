package docker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// DialFunc opens one connection to an engine.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Limits of a client's own connections.
const (
	idleConnections = 6
	idleTime        = 30 * time.Second
)

// Unanswered reports whether err means that no answer came from the engine, so
// that the outcome of what was asked is unknown.
func Unanswered(err error) bool { return unanswered(err) }

// openDialled opens a client whose connections dial opens. The environment has
// no say in it.
func openDialled(host string, dial DialFunc) (dockerAPI, error) {
	transport := &http.Transport{
		DialContext: dial, MaxIdleConns: idleConnections, IdleConnTimeout: idleTime, DisableCompression: true,
	}
	opened, err := client.NewClientWithOpts(
		client.WithHost("tcp://engine"), // never resolved: dial knows where to go
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		return nil, fmt.Errorf("open client of %s: %w", host, err)
	}
	return opened, nil
}

// dialler remembers why the last connection could not be opened: the client
// drops the words of some errors.
type dialler struct {
	dial DialFunc
	mu   sync.Mutex
	last error
}

func (d *dialler) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = err
	return conn, err
}

// explain returns the error of the last dial in place of err, which is a
// connection that failed, if that is what failed.
func (d *dialler) explain(err error) error {
	if d == nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		return err
	}
	return &unreachableError{said: d.last, err: err}
}

// unreachableError has the words of the dial and is all that the client's error is.
type unreachableError struct{ said, err error }

func (u *unreachableError) Error() string   { return u.said.Error() }
func (u *unreachableError) Unwrap() []error { return []error{u.said, u.err} }
