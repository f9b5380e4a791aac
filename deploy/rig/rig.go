package rig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// Options say what a rig is called and where it lives.
type Options struct {
	// Name is 1 to 24 small letters, digits and dashes, unique among the rigs that
	// run now. It is what leftovers of a killed run are found by.
	Name string
	// Folder is where the rig's folder "teal-rig-NAME" is made, on a disk that
	// holds images. Default: [os.TempDir].
	Folder string
	// Logger hears of hosts and engines that were started. Default: nobody.
	Logger *slog.Logger
}

// Rig is a set of hosts on one bridge. Make one with [New]; its methods may be
// called from several goroutines.
type Rig struct {
	name   string
	id     string // 6 hex digits of the name: names of links have 15 characters
	folder string
	lock   *os.File
	log    *slog.Logger
	subnet netip.Prefix

	mu     sync.Mutex
	hosts  map[string]*Host
	next   netip.Addr
	closed bool
}

var (
	nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,23}$`)

	errClosed = errors.New("the rig is closed")
)

// New makes a rig without hosts, on a subnet of its own that no address of this
// machine uses. Leftovers of killed programs, of whatever name, are removed first
// as far as they are in the same folder. A name that a living process uses is an
// error.
func New(ctx context.Context, opts Options) (*Rig, error) {
	if !nameRule.MatchString(opts.Name) {
		return nil, fmt.Errorf("rig name %q: must be 1 to 24 small letters, digits and dashes", opts.Name)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a rig makes network links and namespaces: run as root")
	}
	if opts.Folder == "" {
		opts.Folder = os.TempDir()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := named(opts.Folder, opts.Name)
	r.log = opts.Logger
	unlock, err := lockMachine()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := sweepDead(ctx, opts.Folder); err != nil {
		return nil, fmt.Errorf("remove leftovers of rigs whose program was killed: %w", err)
	}
	if err := r.claim(); err != nil {
		return nil, err
	}
	if err := r.bridgeUp(ctx); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

// named is the rig of a name, as far as the name says.
func named(folder, name string) *Rig {
	return &Rig{name: name, id: shortID(name), folder: filepath.Join(folder, folderPrefix+name), hosts: map[string]*Host{}}
}

// Folder is the absolute path of the rig's folder; callers may put files of
// their own below it, which [Rig.Close] removes.
func (r *Rig) Folder() string { return r.folder }

// Subnet is where the hosts' addresses are. Its first address is this machine's.
func (r *Rig) Subnet() netip.Prefix { return r.subnet }

// Gateway is this machine's own address on the bridge.
func (r *Rig) Gateway() netip.Addr { return r.subnet.Addr().Next() }

// Close ends every process of the rig and removes all that it made. It may be
// called again.
func (r *Rig) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	var errs []error
	for _, h := range r.hosts {
		errs = append(errs, h.end(ctx))
	}
	errs = append(errs, r.sweep(ctx))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close rig %s: %w", r.name, err)
	}
	r.closed = true
	return r.release()
}
