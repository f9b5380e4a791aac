package fake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// sightings are what a host last showed, by app.
type sightings map[spec.Name]reconcile.Seen

// Hosts gives the engine several hosts, the first of which is the one that is
// meant where none is named. It is called before anything runs.
func (e *Engine) Hosts(names ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hosts = names
}

// AwayHost makes one host not answer, or answer again. What it runs goes on.
func (e *Engine) AwayHost(name string, away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hostAway[name] = away
}

// DarkHost makes what runs on a host be reached by nobody, or again.
func (e *Engine) DarkHost(name string, dark bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hostDark[name] = dark
}

// Restart forgets what hosts have shown, as a restart of Teal does.
func (e *Engine) Restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory, e.listed = map[string]sightings{}, map[string]bool{}
}

// key is how things of a host are found.
func key(host, name string) string {
	if host == "" {
		return name
	}
	return host + "/" + name
}

// known is the host that a name stands for: the first for none, the only one for
// any.
func (e *Engine) known(name string) string {
	if name == "" || len(e.hosts) == 1 {
		return e.hosts[0]
	}
	return name
}

// absent says why a host does not answer; nil if it does.
func (e *Engine) absent(host string) error {
	switch {
	case !slices.Contains(e.hosts, host):
		return fmt.Errorf("there is no host %q", host)
	case e.hostAway[host]:
		return ErrAway
	}
	return nil
}

// onHost is what a host runs of app.
func (e *Engine) onHost(host string, app spec.Name, adopted []spec.Adopted) (seen reconcile.Seen) {
	for _, c := range e.containers {
		switch {
		case c.Host != host:
		case c.stranger:
			if x, ok := foreign(c, app, adopted); ok {
				seen.Containers = append(seen.Containers, x)
			}
		case c.app != app:
		case c.test:
			x := c.Container
			seen.Test = &x
		default:
			seen.Containers = append(seen.Containers, c.Container)
		}
	}
	return seen
}

// foreign is a stranger as an adopted container, if it is one. It keeps what it
// was adopted as.
func foreign(c *container, app spec.Name, adopted []spec.Adopted) (reconcile.Container, bool) {
	for _, a := range adopted {
		if a.Container != c.Name || a.Host != "" && a.Host != c.Host {
			continue
		}
		revision := sha256.Sum256([]byte("adopted:" + c.ID))
		c.app, c.Colour, c.Replica, c.Revision, c.Foreign = app, a.Colour, 1, hex.EncodeToString(revision[:]), true
		return c.Container, true
	}
	return reconcile.Container{}, false
}

func joined(a, b reconcile.Seen) reconcile.Seen {
	out := reconcile.Seen{Containers: slices.Concat(a.Containers, b.Containers), Test: a.Test}
	if b.Test != nil {
		out.Test = b.Test
	}
	slices.SortFunc(out.Containers, func(a, b reconcile.Container) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Host, b.Host))
	})
	return out
}

// Observe implements controller.Engine.
func (e *Engine) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	if err := e.meet(ctx, Call{Name: "observe", App: app}); err != nil {
		return reconcile.Seen{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	var seen reconcile.Seen
	var away []reconcile.AwayHost
	asked := e.asked(app, look)
	for _, host := range asked {
		if err := e.absent(host); err != nil {
			seen = joined(seen, lost(e.memory[host][app]))
			away = append(away, reconcile.AwayHost{Host: host, Words: err.Error()})
			continue
		}
		now := e.onHost(host, app, look.Adopted)
		e.remember(host, app, now)
		seen = joined(seen, now)
	}
	if len(away) == len(asked) {
		return reconcile.Seen{}, fmt.Errorf("observe: %w", ErrAway)
	}
	seen.Away = away
	return seen, nil
}

// asked are the hosts that may have something of app, sorted.
func (e *Engine) asked(app spec.Name, look reconcile.Look) []string {
	var out []string
	for _, host := range look.Hosts {
		out = append(out, e.known(host))
	}
	for _, a := range look.Adopted {
		out = append(out, e.known(a.Host))
	}
	if len(look.Hosts) == 0 {
		out = append(out, e.hosts[0])
	}
	for _, host := range e.hosts {
		had, ok := e.memory[host][app]
		if !e.listed[host] && e.absent(host) == nil || ok && (len(had.Containers) > 0 || had.Test != nil) {
			out = append(out, host) // or it is not known yet what it has
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (e *Engine) remember(host string, app spec.Name, seen reconcile.Seen) {
	if e.memory[host] == nil {
		e.memory[host] = sightings{}
	}
	e.memory[host][app] = seen
}

// lost is what was seen, marked as old.
func lost(seen reconcile.Seen) reconcile.Seen {
	out := reconcile.Seen{Containers: slices.Clone(seen.Containers)}
	for i := range out.Containers {
		out.Containers[i].Lost = true
	}
	if seen.Test != nil {
		x := *seen.Test
		x.Lost, out.Test = true, &x
	}
	return out
}

// Apps implements controller.Engine.
func (e *Engine) Apps(ctx context.Context) (map[spec.Name]int64, error) {
	if err := e.meet(ctx, Call{Name: "apps"}); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle()
	out, answered := map[spec.Name]int64{}, false
	for _, host := range e.hosts {
		if e.absent(host) == nil {
			e.look(host)
			answered, e.listed[host] = true, true
		}
		for app, seen := range e.memory[host] {
			for _, c := range seen.Containers {
				if !c.Foreign {
					out[app] = max(out[app], c.Generation)
				}
			}
			if seen.Test != nil {
				out[app] = max(out[app], seen.Test.Generation)
			}
		}
	}
	if !answered {
		return nil, fmt.Errorf("apps: %w", ErrAway)
	}
	return out, nil
}

// look remembers all that a host runs of ours.
func (e *Engine) look(host string) {
	apps := map[spec.Name]bool{}
	for _, c := range e.containers {
		if c.Host == host && !c.stranger {
			apps[c.app] = true
		}
	}
	for app := range e.memory[host] {
		apps[app] = true
	}
	for app := range apps {
		seen := e.onHost(host, app, nil)
		for _, c := range e.memory[host][app].Containers {
			if c.Foreign {
				seen.Containers = append(seen.Containers, c) // nobody asked for it here
			}
		}
		e.remember(host, app, seen)
	}
}

// dark reports whether nobody reaches c.
func (e *Engine) dark(c *container) bool { return e.hostDark[c.Host] }

// all are the hosts that names stand for.
func (e *Engine) all(names []string) []string {
	if len(names) == 0 {
		return e.hosts[:1]
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = e.known(name)
	}
	return out
}

// silent says which host keeps a step from being done by not answering.
func (e *Engine) silent(s reconcile.Step) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var needed []string
	switch s.Kind {
	case reconcile.StepEnsure:
		needed = []string{e.known(s.Ensure.Host)}
	case reconcile.StepPull:
		needed = e.all(s.Hosts)
	case reconcile.StepStop, reconcile.StepRemove, reconcile.StepTest:
		needed = []string{e.known(s.Host)}
	case reconcile.StepResolve, reconcile.StepEvidence, reconcile.StepRoute, reconcile.StepUnroute:
	}
	for _, host := range needed {
		if err := e.absent(host); err != nil {
			return fmt.Errorf("host %s: %w", host, err)
		}
	}
	return nil
}
