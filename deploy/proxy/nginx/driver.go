package nginx

import (
	"context"
	"errors"
	"sync"
	"time"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

// What can be wrong with a call to the driver.
var (
	// ErrUnreachable: nginx does not answer on its status server.
	ErrUnreachable = errors.New("no answer")
	// ErrStale: the table is not newer than the one that is served.
	ErrStale = errors.New("stale table")
	// ErrInvalid: the table cannot be served; nothing changed.
	ErrInvalid = errors.New("invalid table")
	// ErrRefused: nginx refused the configuration, in its own words; the one before
	// goes on.
	ErrRefused = errors.New("nginx refused the configuration")
)

// Driver makes one nginx serve Teal's tables. It may be used by several
// goroutines.
type Driver struct {
	o       Options
	now     func() time.Time
	turn    chan struct{} // one Apply or Read at a time: they look at the same counters
	counts  *counts
	syslog  *listener
	mu      sync.Mutex
	memory  memory
	reloads int
}

// memory is what this process knows beside the place's files. Nothing in it can
// hide what nginx serves.
type memory struct {
	sets    map[string]bool    // flag folders that were written by this process
	tags    []string           // entity tags of files that were read and found good
	tagsOf  string             // the configuration that tags belong to
	last    *state             // what was served last, for a place that lost its folder
	folders []string           // configurations that may have a folder; nil: not known
	quiet   bool               // no reload is announced
	gone    map[slotKey]string // revisions of a slot that were seen idle after another took it
	next    int                // of the apps, the first whose buckets are looked at next
}

// New checks options and opens the socket for figures. It starts nothing: see
// Run.
func New(o Options) (*Driver, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	d := &Driver{o: o, now: time.Now, turn: make(chan struct{}, 1), counts: newCounts()}
	d.memory.sets, d.memory.gone = map[string]bool{}, map[slotKey]string{}
	if o.Syslog.Listen != "" {
		l, err := listen(o.Syslog)
		if err != nil {
			return nil, err
		}
		d.syslog = l
	}
	return d, nil
}

// Reloads tells how often this driver has made nginx load a configuration.
func (d *Driver) Reloads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reloads
}

// take waits for the driver's turn; the returned function gives it back.
func (d *Driver) take(ctx context.Context) (func(), error) {
	select {
	case d.turn <- struct{}{}:
		return func() { <-d.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// checked says what is wrong with t.
func checked(t reconcile.Table) error {
	if err := table.Check(t); err != nil {
		return errors.Join(ErrInvalid, err)
	}
	return nil
}
