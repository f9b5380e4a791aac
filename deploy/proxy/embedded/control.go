package embedded

import (
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

	mu    sync.Mutex
	fault error // the newest table on disk was damaged, and none was applied since
}

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
	served := c.proxy.serving.Load().table
	same := t.Seq == served.Seq && sameRoutes(t, served)
	switch {
	case same && c.fault == nil && t.Seq > 0:
		return nil
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
	return nil
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

// read is the read back, and what is wrong with the table on disk.
func (c *control) read() (reconcile.Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proxy.snapshot(), c.fault
}
