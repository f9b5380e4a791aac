package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
	"teal/reconcile"
)

// Options configure a Fleet.
type Options struct {
	// Hosts are at least one; the first is where goes what names no host.
	Hosts []Host
	// Engine is what all engines have in common; Host, Dial, Name, Address and
	// Ports are set for each.
	Engine docker.Options
	// ProxyHost is the host that the proxy runs on; empty: the first. With several
	// hosts, all others need an address.
	ProxyHost string
	// Report is told when a host is lost, and (nil) when it is back; not of a first
	// answer. It must not block. With a single host it is never called.
	Report func(host string, err error)
	Logger *slog.Logger
	Limits Limits
}

// Limits bound what the fleet itself waits for. Zero fields get defaults.
type Limits struct {
	Answer   time.Duration // for a host to show an app, or that it is there; default 5 s
	Ping     time.Duration // between two questions to a host whether it is there; default 10 s
	PauseMin time.Duration // before a host that is away is asked again; default 1 s,
	PauseMax time.Duration // doubling up to this; default 30 s
}

func (l Limits) withDefaults() Limits {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	or(&l.Answer, 5*time.Second)
	or(&l.Ping, 10*time.Second)
	or(&l.PauseMin, time.Second)
	or(&l.PauseMax, 30*time.Second)
	return l
}

// Fleet is several engines. Its methods may be called at once; Close is the last.
type Fleet struct {
	members []*member
	single  *member // the only one; nil if there are several
	limits  Limits
	report  func(host string, err error)
	log     *slog.Logger
	running sync.WaitGroup // questions that nobody waits for any more
}

// New returns a Fleet. It does not connect: the first question does.
func New(opts Options) (*Fleet, error) {
	if err := check(opts); err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	f := &Fleet{limits: opts.Limits.withDefaults(), report: opts.Report, log: opts.Logger}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.report == nil {
		f.report = func(string, error) {}
	}
	for _, h := range opts.Hosts {
		m, err := newMember(h, opts.Engine, f.log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hosts: %w", err), f.Close())
		}
		f.members = append(f.members, m)
	}
	if len(f.members) == 1 {
		f.single = f.members[0]
	}
	return f, nil
}

// check says what is wrong with the hosts, apart and together.
func check(opts Options) error {
	if len(opts.Hosts) == 0 {
		return errors.New("none is configured")
	}
	proxyHost := cmp.Or(opts.ProxyHost, opts.Hosts[0].Name)
	names, urls := map[string]bool{}, map[string]string{}
	for _, h := range opts.Hosts {
		other, taken := urls[h.URL]
		switch {
		case len(opts.Hosts) > 1 && h.Name == "":
			return errors.New("there are several, so each needs a name")
		case names[h.Name]:
			return fmt.Errorf("%s is there twice", h)
		case taken:
			return fmt.Errorf("%s and host %s are the same: %s", h, other, h.URL)
		}
		if err := h.check(); err != nil {
			return err
		}
		names[h.Name], urls[h.URL] = true, h.Name
	}
	if !names[proxyHost] {
		return fmt.Errorf("the proxy's host %s is not configured; configured are %s", proxyHost, strings.Join(sortedNames(names), ", "))
	}
	for _, h := range opts.Hosts {
		if len(opts.Hosts) > 1 && h.Address == "" && h.Name != proxyHost {
			return fmt.Errorf("%s needs an address (address=IP) on which the proxy on host %s reaches its replicas", h, proxyHost)
		}
	}
	return nil
}

func sortedNames(set map[string]bool) []string {
	var out []string
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// find returns the host of that name; the first for none. nil: it is not
// configured.
func (f *Fleet) find(name string) *member {
	if name == "" {
		return f.members[0]
	}
	for _, m := range f.members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// unknown says that a host is not configured.
func (f *Fleet) unknown(name string) string {
	names := map[string]bool{}
	for _, m := range f.members {
		names[m.Name] = true
	}
	if names[""] {
		return fmt.Sprintf("host %s is not configured: there is only one host, without a name", name)
	}
	return fmt.Sprintf("host %s is not configured; configured are %s", name, strings.Join(sortedNames(names), ", "))
}

// Engine returns the engine of a host, the first one's for no name; nil if the
// host is not configured.
func (f *Fleet) Engine(name string) *docker.Engine {
	if m := f.find(name); m != nil {
		return m.engine
	}
	return nil
}

// SSH returns the ssh connection of a host, the first one's for no name; nil if
// the host is reached in another way or not configured.
func (f *Fleet) SSH(name string) *ssh.Client {
	if m := f.find(name); m != nil {
		return m.ssh
	}
	return nil
}

// Close gives up all connections and waits for what still goes on.
func (f *Fleet) Close() error {
	var errs []error
	for _, m := range f.members {
		errs = append(errs, m.engine.Close())
		if m.ssh != nil {
			errs = append(errs, m.ssh.Close())
		}
	}
	f.running.Wait()
	return errors.Join(errs...)
}

// failure is one that a fleet itself finds.
func failure(class reconcile.FailureClass, reason reconcile.Reason, text string) *reconcile.Failure {
	return &reconcile.Failure{Class: class, Reason: reason, Message: text}
}

// within asks and gives up at the limit, even if what it asks does not return.
func within[T any](ctx context.Context, f *Fleet, limit time.Duration, ask func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	// Of the time that the caller has, some is left for the others' answers.
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*4/5)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	done := make(chan answer, 1)
	f.running.Go(func() {
		defer cancel()
		value, err := ask(limited)
		done <- answer{value, err}
	})
	var zero T
	select {
	case a := <-done:
		if errors.Is(a.err, context.DeadlineExceeded) && ctx.Err() == nil {
			return zero, silentError{limit: limit, err: a.err}
		}
		return a.value, a.err
	case <-limited.Done():
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
		return zero, silentError{limit: limit, err: limited.Err()}
	}
}

// silentError says that no answer came in time.
type silentError struct {
	limit time.Duration
	err   error
}

func (s silentError) Error() string {
	return fmt.Sprintf("no answer within %s", s.limit.Round(time.Millisecond))
}
func (s silentError) Unwrap() error { return s.err }
