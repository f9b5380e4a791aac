package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"teal/reconcile"
)

// What can be wrong with a call to the proxy.
var (
	// ErrUnreachable: the proxy does not answer on its socket. Whether an Apply
	// took effect is unknown; only Read tells.
	ErrUnreachable = errors.New("no answer")
	// ErrStale: the table is not newer than the one that is served.
	ErrStale = errors.New("stale table")
	// ErrInvalid: the table cannot be served; nothing changed.
	ErrInvalid = errors.New("invalid table")
	// ErrDamaged: the newest table on the proxy's disk was unreadable. It serves
	// the one before, or nothing, until a newer table is applied.
	ErrDamaged = errors.New("the proxy's table is damaged")
)

// CallLimit is the longest that one call of a Client takes, unless its context
// ends sooner.
const CallLimit = 10 * time.Second

// Client is the driver: it talks to a proxy over its admin socket. It may be
// used by several goroutines.
type Client struct {
	http http.Client
	// Point, if it is not nil, is called before and after every call that changes
	// something, with its name. It is for tests that end the process there, and is
	// set before the first call.
	Point func(name string)
}

// NewClient returns the driver of the proxy that listens on the unix socket at
// path. The proxy need not run yet.
func NewClient(path string) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true, // calls are rare, and another proxy may own the socket by the next
	}
	return &Client{http: http.Client{Transport: transport, Timeout: CallLimit}}
}

// Apply makes the proxy serve exactly table. When it returns nil the table is on
// disk and every later request follows it. The table that is served already is
// accepted again; an older one, or another one with the same number, is
// ErrStale.
func (c *Client) Apply(ctx context.Context, table reconcile.Table) error {
	data, err := json.Marshal(table)
	if err != nil {
		return fmt.Errorf("apply table %d: %w", table.Seq, err)
	}
	if _, err := c.call(ctx, http.MethodPut, tablePath, data); err != nil {
		return fmt.Errorf("apply table %d: %w", table.Seq, err)
	}
	return nil
}

// Read asks the proxy what it serves and what it counted. With an error that is
// ErrDamaged the snapshot is nevertheless what is served: a table with a higher
// number repairs it.
func (c *Client) Read(ctx context.Context) (reconcile.Snapshot, error) {
	r, err := c.call(ctx, http.MethodGet, snapshotPath, nil)
	if err != nil {
		return reconcile.Snapshot{}, fmt.Errorf("read the proxy: %w", err)
	}
	if r.Snapshot == nil {
		return reconcile.Snapshot{}, fmt.Errorf("read the proxy: its answer has no snapshot")
	}
	if r.Damaged != "" {
		return *r.Snapshot, fmt.Errorf("read the proxy: %w: %s", ErrDamaged, r.Damaged)
	}
	return *r.Snapshot, nil
}

// Instance returns the name of the proxy that answers, "" if it has none.
func (c *Client) Instance(ctx context.Context) (string, error) {
	r, err := c.call(ctx, http.MethodGet, snapshotPath, nil)
	if err != nil {
		return "", fmt.Errorf("ask the proxy who it is: %w", err)
	}
	return r.Instance, nil
}

// movedEvery is how often a proxy is asked again that is being taken over from.
const movedEvery = 20 * time.Millisecond

// call asks, and asks again while one proxy takes over from another, which is
// for some milliseconds.
func (c *Client) call(ctx context.Context, method, path string, body []byte) (reply, error) {
	limited, cancel := context.WithTimeout(ctx, CallLimit)
	defer cancel()
	for {
		out, err := c.callOnce(limited, method, path, body)
		if out.Code != codeMoved {
			return out, err
		}
		select {
		case <-limited.Done():
			return out, err
		case <-time.After(movedEvery):
		}
	}
}

func (c *Client) callOnce(ctx context.Context, method, path string, body []byte) (reply, error) {
	var out reply
	req, err := http.NewRequestWithContext(ctx, method, "http://proxy"+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	if c.Point != nil && method != http.MethodGet {
		c.Point("proxy." + method + path + "/before")
		defer c.Point("proxy." + method + path + "/after")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // its URL is made up
		}
		return out, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("its answer (%s) is not understood: %w", resp.Status, err)
	}
	if out.Version != apiVersion {
		return out, fmt.Errorf("it speaks version %d of the protocol; this Teal speaks version %d", out.Version, apiVersion)
	}
	return out, out.refusal()
}

// refusal turns a refusing reply into the error it stands for.
func (r reply) refusal() error {
	switch r.Code {
	case "":
		return nil
	case codeInvalid:
		return refused(ErrInvalid, r.Error)
	case codeStale:
		return refused(ErrStale, r.Error)
	}
	return errors.New(r.Error)
}

func refused(kind error, words string) error {
	return fmt.Errorf("%w: %s", kind, strings.TrimPrefix(words, kind.Error()+": "))
}
