package nginx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"teal/reconcile"
	"teal/spec"
)

// lookBudget is how many buckets are looked at in one Read beyond those that tell
// apart what Teal itself writes. One app is seen whole each time; many in turn.
const lookBudget = 250

// sight is what nginx showed.
type sight struct {
	state  *state // nil: there was never a table
	config string // the configuration that nginx runs
	whole  bool   // it is the state's, and its files are as Teal wrote them
	flags  map[spec.Name]seenFlags
}

// seenFlags is where an app's buckets lead.
type seenFlags struct {
	right bool   // as the table says
	real  choice // otherwise: what it is
}

// look asks nginx what it serves.
func (d *Driver) look(c *conversation, s *state) (sight, error) {
	out := sight{state: s, flags: map[spec.Name]seenFlags{}}
	var err error
	if out.config, _, err = c.loaded(); err != nil {
		return out, err
	}
	if s == nil {
		return out, nil
	}
	if out.whole, err = d.untouched(c, s); err != nil {
		return out, err
	}
	out.whole = out.whole && out.config == s.Config
	if err := d.lookAtFlags(c, s, out.flags); err != nil {
		return out, err
	}
	return out, nil
}

// lookAtFlags asks the rules where requests lead.
func (d *Driver) lookAtFlags(c *conversation, s *state, out map[spec.Name]seenFlags) error {
	type probe struct {
		route  *reconcile.Route
		bucket string
	}
	var probes []probe
	full := d.inTurn(len(s.Table.Routes))
	for i := range s.Table.Routes {
		r := &s.Table.Routes[i]
		look := borders(choiceOf(r))
		if full[i] {
			look = allBuckets()
		}
		for _, b := range look {
			probes = append(probes, probe{r, b})
		}
	}
	questions := make([]question, len(probes))
	for i, p := range probes {
		questions[i] = appQuestion(p.route.App, p.bucket)
	}
	replies, err := c.ask(questions)
	if err != nil {
		return err
	}
	for i, p := range probes {
		seen, known := out[p.route.App]
		green := replies[i].status == http.StatusOK && replies[i].body == string(spec.Green)
		out[p.route.App] = seenFlags{right: (seen.right || !known) && green == choiceOf(p.route).leads(p.bucket)}
	}
	for app, seen := range out {
		if !seen.right {
			if seen.real, err = realChoice(c, app); err != nil {
				return err
			}
			out[app] = seen
		}
	}
	return nil
}

// inTurn marks the routes that are looked at whole this time.
func (d *Driver) inTurn(routes int) []bool {
	out := make([]bool, routes)
	for left := lookBudget; left >= 2*buckets && routes > 0; left -= 2 * buckets {
		out[d.memory.next%routes] = true
		d.memory.next++
	}
	return out
}

// borders are the buckets that differ between any two choices whose flags Teal
// writes.
func borders(c choice) []string {
	out := []string{shown, "0", "99", "p0", "p99"}
	for _, n := range []int{c.green - 1, c.green} {
		if n > 0 && n < buckets-1 {
			out = append(out, strconv.Itoa(n), "p"+strconv.Itoa(n))
		}
	}
	return out
}

func allBuckets() []string {
	out := []string{shown}
	for i := range buckets {
		out = append(out, strconv.Itoa(i), "p"+strconv.Itoa(i))
	}
	return out
}

// realChoice counts where all of an app's requests lead.
func realChoice(c *conversation, app spec.Name) (choice, error) {
	all := allBuckets()
	questions := make([]question, len(all))
	for i, b := range all {
		questions[i] = appQuestion(app, b)
	}
	replies, err := c.ask(questions)
	if err != nil {
		return choice{}, err
	}
	var out choice
	previews, staged := 0, false
	for i, r := range replies {
		green := r.status == http.StatusOK && r.body == string(spec.Green)
		switch {
		case !green:
		case all[i] == shown:
			staged = true
		case all[i][0] == 'p':
			previews++
		default:
			out.green++
		}
	}
	switch {
	case !staged:
	case previews == buckets:
		out.preview = spec.Green
	case previews == 0:
		out.preview = spec.Blue
	}
	return out, nil
}

// table is what nginx serves, with the names that the state gives it. Where the
// configuration is not the one that Teal wrote, it is not known which addresses
// get the traffic, and none are told.
func (s sight) table() reconcile.Table {
	if s.state == nil {
		return reconcile.Table{}
	}
	out := reconcile.Table{Seq: s.state.Table.Seq, Routes: slices.Clone(s.state.Table.Routes)}
	for i := range out.Routes {
		r := &out.Routes[i]
		if seen := s.flags[r.App]; !seen.right {
			r.Backends = backendsOf(r, s.state.find(r.App), seen.real)
			if r.Preview.Colour != seen.real.preview {
				r.Preview.Colour = seen.real.preview
			}
		}
		if !s.whole {
			r.Backends = slices.Clone(r.Backends)
			for j := range r.Backends {
				r.Backends[j].Targets = nil
			}
		}
	}
	return out
}

// backendsOf are the backends of r with the weights that are really served. A
// colour that the table does not name and that has traffic all the same is told
// as the slot last had it.
func backendsOf(r *reconcile.Route, a *appState, real choice) []reconcile.Backend {
	var out []reconcile.Backend
	for _, c := range []spec.Colour{spec.Blue, spec.Green} {
		weight := real.green
		if c == spec.Blue {
			weight = 100 - real.green
		}
		at := slices.IndexFunc(r.Backends, func(b reconcile.Backend) bool { return b.Colour == c })
		switch {
		case at >= 0:
			b := r.Backends[at]
			b.Weight = weight
			out = append(out, b)
		case weight > 0:
			out = append(out, reconcile.Backend{Colour: c, Revision: a.slot(c).Revision, Weight: weight, Targets: a.slot(c).Targets})
		}
	}
	return out
}

// stateOf reads the state over the connection; a damaged one from the place's
// other copy.
func (d *Driver) stateOf(ctx context.Context, c *conversation) (*state, error) {
	replies, err := c.ask([]question{{path: "/table"}})
	if err != nil {
		return nil, err
	}
	if replies[0].status == http.StatusOK {
		if s, err := decodeState([]byte(replies[0].body)); err == nil {
			return s, nil
		}
	}
	return loadState(ctx, d.o.Place)
}

// Read tells what nginx serves: which colours its rules choose, whether it runs
// the configuration that Teal wrote, and what its counters say is in flight. Only
// the names of revisions, drains and the number come from a file.
//
// An nginx that does not run is started if that is for Teal to do, and one that
// lost its files gets them again.
func (d *Driver) Read(ctx context.Context) (reconcile.Snapshot, error) {
	release, err := d.take(ctx)
	if err != nil {
		return reconcile.Snapshot{}, fmt.Errorf("read nginx in %s: %w", d.o.Place, err)
	}
	defer release()
	out, err := d.read(ctx)
	if !errors.Is(err, ErrUnreachable) {
		return out, err
	}
	if again := d.revive(ctx); again != nil {
		return reconcile.Snapshot{}, errors.Join(err, again)
	}
	return d.read(ctx)
}

func (d *Driver) read(ctx context.Context) (reconcile.Snapshot, error) {
	c, err := d.converse(ctx)
	if err != nil {
		return reconcile.Snapshot{}, err
	}
	defer c.close()
	s, err := d.stateOf(ctx, c)
	if err != nil {
		return reconcile.Snapshot{}, err
	}
	if s == nil && d.memory.last != nil {
		return reconcile.Snapshot{}, fmt.Errorf("read nginx in %s: %w: its folder %s was emptied", d.o.Place, ErrUnreachable, d.o.Place.Folder())
	}
	seen, err := d.look(c, s)
	if err != nil {
		return reconcile.Snapshot{}, err
	}
	if s != nil {
		d.memory.last = s
		d.counts.assign(s)
	}
	traffic, err := d.traffic(c, s)
	if err != nil {
		return reconcile.Snapshot{}, err
	}
	return reconcile.Snapshot{Table: seen.table(), Traffic: traffic}, nil
}
