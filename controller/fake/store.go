package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"teal/reconcile"
	"teal/spec"
)

// Store is a store in memory. What it hands out must not be changed in place;
// Reopen shows that it survives being written down.
type Store struct {
	// Fault, when set, is asked before every write, and whether it shall fail.
	Fault func(op string) bool

	mu          sync.Mutex
	projects    map[string]spec.Project
	desired     map[spec.Name]reconcile.Desired
	generations map[spec.Name]int64
	records     map[spec.Name]reconcile.Record
	commands    map[spec.Name][]reconcile.Command
	answers     map[string]string
	tokens      map[string]bool
	events      []reconcile.Event
	history     map[spec.Name][]reconcile.Rollout
	writes      int
}

// What a store is refused with.
var (
	ErrDisk       = errors.New("no space left on device")
	ErrGeneration = errors.New("a generation must not go back")
	ErrWanted     = errors.New("the app is wanted again")
	ErrCommand    = errors.New("no such command waits")
	ErrInvalid    = errors.New("not a valid desired state")
)

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		projects: map[string]spec.Project{}, desired: map[spec.Name]reconcile.Desired{}, generations: map[spec.Name]int64{},
		records: map[spec.Name]reconcile.Record{}, commands: map[spec.Name][]reconcile.Command{},
		answers: map[string]string{}, tokens: map[string]bool{}, history: map[spec.Name][]reconcile.Rollout{},
	}
}

// Writes returns how many transactions wrote something.
func (s *Store) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Reopen writes records and desired states down and reads them again, as a
// restart does.
func (s *Store) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for app, r := range s.records {
		var out reconcile.Record
		if err := again(r, &out); err != nil {
			return fmt.Errorf("record of %s: %w", app, err)
		}
		s.records[app] = out
	}
	for app, d := range s.desired {
		var out reconcile.Desired
		if err := again(d, &out); err != nil {
			return fmt.Errorf("desired state of %s: %w", app, err)
		}
		s.desired[app] = out
	}
	return nil
}

func again(in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// Lose forgets the records, as a deleted database does, and all else.
func (s *Store) Lose() {
	fresh := NewStore()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects, s.desired, s.generations, s.records = fresh.projects, fresh.desired, fresh.generations, fresh.records
	s.commands, s.answers, s.tokens, s.history = fresh.commands, fresh.answers, fresh.tokens, fresh.history
}

// write begins a transaction that writes.
func (s *Store) write(op string) error {
	if s.Fault != nil && s.Fault(op) {
		return fmt.Errorf("%s: %w", op, ErrDisk)
	}
	return nil
}

// Projects implements controller.Store.
func (s *Store) Projects() ([]spec.Project, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []spec.Project
	for _, name := range slices.Sorted(maps.Keys(s.projects)) {
		out = append(out, s.projects[name])
	}
	return out, nil
}

// Apps implements controller.Store.
func (s *Store) Apps() ([]spec.Name, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sorted(), nil
}

func (s *Store) sorted() []spec.Name {
	return slices.SortedFunc(maps.Keys(s.desired), func(a, b spec.Name) int { return strings.Compare(a.String(), b.String()) })
}

// Load implements controller.Store.
func (s *Store) Load(app spec.Name) (reconcile.State, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.desired[app]
	if !ok {
		return reconcile.State{}, false, nil
	}
	r := s.records[app]
	return reconcile.State{Record: r, Desired: d, Commands: slices.Clone(s.commands[app]), Previous: s.previous(app, r)}, true, nil
}

// previous finds the newest earlier revision that was stable.
func (s *Store) previous(app spec.Name, r reconcile.Record) *reconcile.Placement {
	if r.Stable == nil {
		return nil
	}
	for _, h := range slices.Backward(s.history[app]) {
		if (h.Result == reconcile.Succeeded || h.Result == reconcile.Adopted) && h.Revision.ID != r.Stable.Revision.ID && h.Revision.Known() {
			return &reconcile.Placement{Colour: h.Colour, Revision: h.Revision, Health: h.Health, Generation: h.Generation, Rollout: h.ID, Origin: h.Origin}
		}
	}
	return nil
}

// Save implements controller.Store.
func (s *Store) Save(app spec.Name, d reconcile.Decision) error {
	if err := s.write("save"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.maySave(app, d); err != nil {
		return err
	}
	s.writes++
	for token, answer := range d.Taken {
		s.answers[token] = answer
		s.commands[app] = slices.DeleteFunc(s.commands[app], func(c reconcile.Command) bool { return c.Token == token })
	}
	s.events = append(s.events, d.Events...)
	s.history[app] = append(s.history[app], d.History...)
	if !d.Gone {
		s.records[app] = d.Record
		return nil
	}
	for _, c := range s.commands[app] {
		s.answers[c.Token] = "the app was removed"
	}
	delete(s.commands, app)
	delete(s.records, app)
	delete(s.desired, app)
	return nil
}

func (s *Store) maySave(app spec.Name, d reconcile.Decision) error {
	if d.Gone && !s.desired[app].Pruned {
		return ErrWanted
	}
	if !d.Gone && d.Record.Generation < s.records[app].Generation {
		return ErrGeneration
	}
	for token := range d.Taken {
		if !slices.ContainsFunc(s.commands[app], func(c reconcile.Command) bool { return c.Token == token }) {
			return ErrCommand
		}
	}
	return nil
}

// Command implements controller.Store.
func (s *Store) Command(app spec.Name, c reconcile.Command) (bool, error) {
	if err := s.write("command"); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[c.Token] {
		return false, nil
	}
	s.tokens[c.Token] = true
	s.commands[app] = append(s.commands[app], c)
	s.writes++
	return true, nil
}

// Answer implements controller.Store.
func (s *Store) Answer(token string) (string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, ok := s.answers[token]
	return answer, ok, nil
}

// Events implements controller.Store.
func (s *Store) Events(app spec.Name, after uint64, limit int) ([]reconcile.Event, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []reconcile.Event
	last := after
	for i := int(after); i < len(s.events) && len(out) < limit; i++ {
		last = uint64(i) + 1
		if app == (spec.Name{}) || s.events[i].App == app {
			out = append(out, s.events[i])
		}
	}
	return out, last, nil
}

// History implements controller.Store.
func (s *Store) History(app spec.Name, limit int) ([]reconcile.Rollout, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.history[app])
	slices.Reverse(out)
	return out[:min(limit, len(out))], nil
}

// Note implements controller.Store.
func (s *Store) Note(events ...reconcile.Event) error {
	if err := s.write("note"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	s.writes++
	return nil
}
