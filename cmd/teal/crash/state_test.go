package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// state is all that a scenario may leave behind, in words that are the same for
// two runs of it.
type state []string

func (s state) equal(other state) bool { return slices.Equal(s, other) }

// differs says which lines of two states are not in the other.
func (s state) differs(want state) string {
	var out []string
	for _, line := range s {
		if !slices.Contains(want, line) {
			out = append(out, "is   "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(s, line) {
			out = append(out, "want "+line)
		}
	}
	return strings.Join(out, "\n")
}

// Times that a state has to stay as it is: without a wish longer, as what comes
// next may take a while to begin.
const (
	restKnown = 300 * time.Millisecond
	restNew   = 4 * time.Second
)

// settle waits until nothing moves any more, in the state want if there is one.
func (c *cell) settle(ctx context.Context, want *state) (state, error) {
	var last state
	since := time.Now()
	rest := restNew
	if want != nil {
		rest = restKnown
	}
	err := c.every(ctx, settleEvery, "it has settled", func() error {
		now, settled, err := c.look(ctx)
		if err != nil {
			return err
		}
		if !now.equal(last) {
			last, since = now, time.Now()
		}
		switch {
		case !settled:
			since = time.Now()
			return fmt.Errorf("it moves:\n%s", strings.Join(now, "\n"))
		case want != nil && !now.equal(*want):
			since = time.Now()
			return fmt.Errorf("another state:\n%s", now.differs(*want))
		case time.Since(since) < rest:
			return errors.New("it was not seen for long enough")
		}
		return nil
	})
	return last, err
}

// look describes the world, and reports whether every app is at rest.
func (c *cell) look(ctx context.Context) (now state, settled bool, err error) {
	if c.scenario.quiet {
		now, err := c.things(ctx)
		return now, true, err
	}
	client := c.client()
	defer client.Close()
	list, err := client.Status(ctx, spec.Name{})
	if err != nil {
		return nil, false, err
	}
	settled = true
	for _, s := range list.Apps {
		now = append(now, c.app(s))
		settled = settled && s.Phase == reconcile.Idle && s.Observed == s.Generation && s.Backoff == nil
		history, err := client.History(ctx, s.App, 50)
		if err != nil {
			return nil, false, err
		}
		for n, r := range slices.Backward(history.Rollouts) {
			if n > 0 && c.scenario.lastOnly {
				continue
			}
			reason := reconcile.Reason("")
			if r.Failure != nil {
				reason = r.Failure.Reason
			}
			now = append(now, fmt.Sprintf("history of %s: %s %s on %s, %s %s, generation %d", s.App.Service, r.Trigger, c.version(r.Revision.Image.Ref), r.Colour, r.Result, reason, r.Generation))
		}
	}
	for _, s := range list.Sources {
		now = append(now, fmt.Sprintf("source valid: %t", s.Valid.OK))
	}
	now = append(now, fmt.Sprintf("engine answers: %t, proxy answers: %t", list.Controller.Engine.OK, list.Controller.Proxy.OK))
	if settled = settled && list.Controller.Proxy.OK; !settled {
		return now, false, nil
	}
	here, err := c.things(ctx)
	if err != nil {
		return nil, false, err
	}
	left, err := c.leftovers()
	return append(append(now, here...), left...), true, err
}

func (c *cell) version(ref string) string {
	for _, all := range []map[string]string{c.images, c.kit.images} {
		for name, known := range all {
			if ref == known {
				return name
			}
		}
	}
	for name, digest := range c.digests {
		if strings.HasSuffix(ref, digest) {
			return name
		}
	}
	return strings.ReplaceAll(ref, c.id, "ID")
}

func (c *cell) app(s reconcile.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: phase %q, generation %d, observed %d, wants %s, active %q, serving %t %s, synced %t %s", s.App.Service,
		s.Phase, s.Generation, s.Observed, c.version(s.Image), s.Active, s.Serving.OK, s.Serving.Reason, s.Synced.OK, s.Synced.Reason)
	for _, x := range s.Colours {
		fmt.Fprintf(&b, "; %s %s %s weight %d, %d of %d ready", x.Colour, x.Role, c.version(x.Image), x.Weight, x.Ready, x.Replicas)
		if !x.Until.IsZero() {
			b.WriteString(", until a time")
		}
	}
	if s.Hold != nil {
		fmt.Fprintf(&b, "; held: %s %s", c.version(s.Hold.Image), s.Hold.Reason)
	}
	if s.Override != nil {
		b.WriteString("; overridden")
	}
	return b.String()
}

// things are what the controller has on the engines.
func (c *cell) things(ctx context.Context) ([]string, error) {
	var out []string
	for _, e := range c.engines {
		all, err := e.bench.Everything(ctx, c.id)
		if err != nil {
			return nil, err
		}
		where := ""
		if e.name != "" {
			where = ", on " + e.name
		}
		for _, x := range all.Containers {
			l := x.Labels
			what := fmt.Sprintf("container %s %s replica %s of %s", l[spec.LabelService], l[spec.LabelColour], l[spec.LabelReplica], c.version(x.Image))
			if l[spec.LabelRole] == spec.RoleProxy {
				what = "container of the " + l[spec.LabelRole]
			}
			out = append(out, what+", "+x.State+where)
		}
		for _, n := range append(all.Networks, all.Volumes...) {
			out = append(out, "has "+strings.NewReplacer(c.project, "PROJECT", c.id, "ID").Replace(n)+where)
		}
	}
	if slices.ContainsFunc(c.scenario.ends, func(line string) bool { return strings.HasPrefix(line, "image ") }) {
		have, err := c.kit.bench.Names(ctx, c.id)
		if err != nil {
			return nil, err
		}
		for _, ref := range have {
			out = append(out, "image "+c.version(ref))
		}
	}
	slices.Sort(out)
	return out, nil
}

// leftovers are files that were to be renamed or removed.
func (c *cell) leftovers() ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(c.folder, "state"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while it was looked at
		}
		if err != nil {
			return err
		}
		name := d.Name()
		if strings.HasPrefix(name, ".new") || strings.HasPrefix(name, ".backup") || strings.HasSuffix(name, ".new") || strings.HasSuffix(name, "~") || name == "closing" || strings.Contains(name, "tmp") {
			rel, err := filepath.Rel(c.folder, path)
			if err != nil {
				return err
			}
			out = append(out, "left over: "+rel)
		}
		return nil
	})
	return out, err
}
