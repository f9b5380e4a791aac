package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

// control changes the table: first on disk, then in the data plane.
type control struct {
	proxy *Proxy
	shelf shelf
	log   *slog.Logger

	instance string      // Config.Instance
	before   *forerunner // the proxy that this one took over from; nil: none

	mu    sync.Mutex
	fault error // the newest table on disk was damaged, and none was applied since
	moved bool  // a successor has the word
}

// errMoved refuses what is for a successor to answer.
var errMoved = errors.New("another proxy is taking over")

// openControl loads the table and serves it. A damaged one is logged and
// reported by every read back until a new table is applied.
func openControl(p *Proxy, dir string, log *slog.Logger) (*control, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the table: %w", err)
	}
	c := &control{proxy: p, shelf: shelf{dir: dir}, log: log}
	found := c.shelf.load()
	c.fault = found.fault
	switch {
	case found.found:
		p.serve(found.table)
	case found.fault != nil:
		p.refuse("The proxy's table is damaged and there is no good copy; Teal must apply a new one.")
	default:
		p.serve(reconcile.Table{})
	}
	if c.fault != nil {
		log.Error("table was damaged", "error", c.fault, "served_seq", found.table.Seq)
	}
	return c, nil
}

// apply makes t the table. It is refused unless it is newer than what is served;
// the same table again is no change and no error.
func (c *control) apply(t reconcile.Table) error {
	if err := table.Check(t); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved {
		return errMoved
	}
	served := c.proxy.serving.Load().table
	same := t.Seq == served.Seq && sameRoutes(t, served)
	switch {
	case same && c.fault == nil && t.Seq > 0:
		return c.before.apply(t)
	case t.Seq <= served.Seq && !same:
		return fmt.Errorf("%w: table %d is not newer than table %d, which is served", ErrStale, t.Seq, served.Seq)
	case t.Seq == 0:
		return fmt.Errorf("%w: tables are numbered from 1", ErrInvalid)
	}
	if err := c.shelf.save(t, c.fault != nil); err != nil {
		return err
	}
	c.fault = nil
	c.proxy.serve(t)
	c.log.Info("table was applied", "seq", t.Seq, "routes", len(t.Routes))
	return c.before.apply(t)
}

// follow makes t the table without keeping it: a successor, which keeps it, says
// so. It returns what is then in flight here.
func (c *control) follow(t *reconcile.Table) ([]reconcile.AppTraffic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != nil {
		if err := table.Check(*t); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		c.proxy.serve(*t)
		if err := c.before.apply(*t); err != nil {
			return nil, err
		}
	}
	s, err := c.snapshot()
	return s.Traffic, err
}

// move refuses tables and questions, as a successor has them, or no longer.
func (c *control) move(moved bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = moved
}

// snapshot is what is served and counted here and by the proxy before.
func (c *control) snapshot() (reconcile.Snapshot, error) {
	// Asked first: what began there under an older table is counted there still,
	// and what is served here since is read after it.
	earlier, err := c.before.traffic()
	s := c.proxy.snapshot()
	s.Traffic = plusInFlight(s.Traffic, earlier)
	return s, err
}

func sameRoutes(a, b reconcile.Table) bool { return slices.EqualFunc(a.Routes, b.Routes, sameRoute) }

func sameRoute(a, b reconcile.Route) bool {
	if !slices.EqualFunc(a.Backends, b.Backends, sameBackend) {
		return false
	}
	a.Backends, b.Backends = nil, nil
	return reflect.DeepEqual(a, b)
}

func sameBackend(a, b reconcile.Backend) bool {
	return a.Colour == b.Colour && a.Revision == b.Revision && a.Weight == b.Weight && slices.Equal(a.Targets, b.Targets)
}

// read is the read back, and what is wrong with the table on disk. Its last
// error says that nothing can be told now.
func (c *control) read() (s reconcile.Snapshot, damaged, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved {
		return s, nil, errMoved
	}
	s, err = c.snapshot()
	return s, c.fault, err
}
