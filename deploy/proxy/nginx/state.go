package nginx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
	"teal/spec"
)

const (
	stateVersion = 1
	stateFile    = "table.json"
	beforeFile   = "table.before.json"
)

// state is what the place's folder says was applied last. What nginx serves is
// read from nginx; the state adds what nginx does not know: names of revisions,
// limits of the drain, the number.
type state struct {
	Table reconcile.Table `json:"table"`
	Apps  []appState      `json:"apps"` // one per route of the table, sorted by app
	// Gone are apps whose route was taken away and that may have requests in flight.
	Gone []appState `json:"gone,omitempty"`
	// Config is the configuration that serves it.
	Config string `json:"config"`
	// Sets counts how often flag folders were found changed by hand; each time they
	// are made anew under another name.
	Sets int `json:"sets"`
}

// appState is what the configuration holds of an app beyond its route, so that
// what comes and goes with a rollout needs no reload.
type appState struct {
	App   spec.Name `json:"app"`
	Blue  slot      `json:"blue"`
	Green slot      `json:"green"`
	// PreviewHost and PreviewToken stay while nothing is staged.
	PreviewHost  string `json:"preview_host,omitempty"`
	PreviewToken string `json:"preview_token,omitempty"`
}

// slot is one colour of an app. Addresses stay when the colour leaves the table,
// so that the next rollout finds them.
type slot struct {
	Revision string   `json:"revision,omitempty"`
	Before   string   `json:"before,omitempty"` // the revision that had the slot, until it was seen idle
	Targets  []string `json:"targets,omitempty"`
}

func (a *appState) slot(c spec.Colour) *slot {
	if c == spec.Green {
		return &a.Green
	}
	return &a.Blue
}

// find returns what s holds of app; nil if nothing.
func (s *state) find(app spec.Name) *appState {
	if s == nil {
		return nil
	}
	for i := range s.Apps {
		if s.Apps[i].App == app {
			return &s.Apps[i]
		}
	}
	return nil
}

// after is the state that serves t, following s, which may be nil.
func (s *state) after(t reconcile.Table) *state {
	next := &state{Table: t}
	if s != nil {
		next.Sets, next.Config = s.Sets, s.Config
	}
	for i := range t.Routes {
		r := &t.Routes[i]
		a := appState{App: r.App}
		if old := s.find(r.App); old != nil {
			a = *old
		}
		for _, b := range r.Backends {
			a.slot(b.Colour).take(b)
		}
		if r.Preview.Colour != "" || r.Preview.Host != "" || r.Preview.Token != "" {
			a.PreviewHost, a.PreviewToken = r.Preview.Host, r.Preview.Token
		}
		next.Apps = append(next.Apps, a)
	}
	next.dropTakenHosts()
	slices.SortFunc(next.Apps, func(a, b appState) int { return strings.Compare(a.App.String(), b.App.String()) })
	return next
}

// take makes b what the slot has. Where the configuration was not Teal's own, a
// read back names no targets, and neither does a table made from it for another
// app's sake: the revision keeps those that it had.
func (s *slot) take(b reconcile.Backend) {
	known := s.Revision == b.Revision && len(s.Targets) > 0
	if s.Revision != "" && s.Revision != b.Revision {
		s.Before = s.Revision
	}
	s.Revision = b.Revision
	if len(b.Targets) > 0 || b.Weight > 0 && !known {
		s.Targets = slices.Clone(b.Targets)
	}
}

// dropTakenHosts forgets preview hosts of former rollouts that are a route's by
// now.
func (s *state) dropTakenHosts() {
	taken := map[[2]string]bool{}
	path := map[spec.Name]string{}
	staged := map[spec.Name]bool{}
	for _, r := range s.Table.Routes {
		path[r.App] = table.CleanPath(r.Path)
		taken[[2]string{r.Host, path[r.App]}] = true
		if r.Preview.Host != "" {
			staged[r.App] = true
			taken[[2]string{r.Preview.Host, path[r.App]}] = true
		}
	}
	for i := range s.Apps {
		a := &s.Apps[i]
		place := [2]string{a.PreviewHost, path[a.App]}
		if a.PreviewHost == "" || staged[a.App] {
			continue
		}
		if taken[place] {
			a.PreviewHost = ""
		}
		taken[place] = true
	}
}

// heldBack is s with the addresses that old traffic still uses: a colour that
// old serves from and s does not keeps its targets until the traffic has moved.
func (s *state) heldBack(old *state) *state {
	out := *s
	out.Apps = slices.Clone(s.Apps)
	for i := range out.Apps {
		a := &out.Apps[i]
		before := old.find(a.App)
		if before == nil {
			continue
		}
		for _, c := range []spec.Colour{spec.Blue, spec.Green} {
			if weightOf(&old.Table, a.App, c) > 0 && weightOf(&s.Table, a.App, c) == 0 {
				a.slot(c).Targets = before.slot(c).Targets
			}
		}
	}
	return &out
}

func routeOf(t *reconcile.Table, app spec.Name) *reconcile.Route {
	for i := range t.Routes {
		if t.Routes[i].App == app {
			return &t.Routes[i]
		}
	}
	return nil
}

func weightOf(t *reconcile.Table, app spec.Name, c spec.Colour) int {
	if r := routeOf(t, app); r != nil {
		for _, b := range r.Backends {
			if b.Colour == c {
				return b.Weight
			}
		}
	}
	return 0
}

// written is the form of a state on disk. Sum is over the state's bytes.
type written struct {
	Version int             `json:"version"`
	Sum     string          `json:"sha256"`
	State   json.RawMessage `json:"state"`
}

func (s *state) encode() ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode table: %w", err)
	}
	data, err := json.Marshal(written{Version: stateVersion, Sum: sumOf(body), State: body})
	if err != nil {
		return nil, fmt.Errorf("encode table: %w", err)
	}
	return append(data, '\n'), nil
}

func decodeState(data []byte) (*state, error) {
	var w written
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if w.Version != stateVersion {
		return nil, fmt.Errorf("its format is version %d; this Teal reads version %d", w.Version, stateVersion)
	}
	if sum := sumOf(w.State); sum != w.Sum {
		return nil, fmt.Errorf("its checksum is %s, not %s as written", sum, w.Sum)
	}
	s := &state{}
	if err := json.Unmarshal(w.State, s); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return s, table.Check(s.Table)
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// loadState reads the newest good copy; nil if there was never one. A damaged
// copy is no fault while there is the one before: weights and addresses are read
// from nginx anyway.
func loadState(ctx context.Context, p Place) (*state, error) {
	var faults []error
	for _, name := range []string{stateFile, beforeFile} {
		data, err := p.Read(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s at %s: %w", name, p, err)
		}
		s, err := decodeState(data)
		if err == nil {
			return s, nil
		}
		faults = append(faults, fmt.Errorf("read %s/%s at %s: %w", p.Folder(), name, p, err))
	}
	return nil, errors.Join(faults...)
}

// save makes s the newest copy, and old the one before.
func (s *state) save(ctx context.Context, p Place, old *state) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	before := data
	if old != nil {
		if before, err = old.encode(); err != nil {
			return err
		}
	}
	// In this order, by one call: a place may be far away.
	if err := p.Write(ctx, File{Name: beforeFile, Content: before}, File{Name: stateFile, Content: data}); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
