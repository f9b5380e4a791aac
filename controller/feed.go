package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"teal/controller/api"
	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// ReasonSourceBack says that a source which could not be followed is again.
const ReasonSourceBack reconcile.Reason = "SourceBack"

// feed is one source and all its projects.
type feed struct {
	source Source
	self   *intake // of a source with one project, that; else the source as a whole

	mu     sync.Mutex
	parts  map[string]*intake
	whole  bool   // all of its projects are known
	agreed string // what was settled last
}

func newFeed(s Source) *feed {
	f := &feed{source: s, parts: map[string]*intake{}}
	f.self = &intake{feed: f}
	return f
}

// name is that of a source which is pulled from somewhere else; empty: files.
func (f *feed) name() string {
	if p, ok := f.source.(Pulled); ok {
		return p.State().Name
	}
	return ""
}

func (f *feed) words() string { return strings.Join(f.source.Files(), ", ") }

// intake returns the one of a part, new if need be.
func (f *feed) intake(part string) *intake {
	if part == "" {
		return f.self
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	in := f.parts[part]
	if in == nil {
		in = &intake{feed: f, part: part}
		f.parts[part] = in
	}
	return in
}

// intakes are all of them: the source itself, then its parts by name.
func (f *feed) intakes() []*intake {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []*intake{f.self}
	for _, in := range f.parts {
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b *intake) int { return strings.Compare(a.part, b.part) })
	return out
}

// holds reports whether a source names a project, or may still turn out to.
func (f *feed) holds(project string) bool {
	f.mu.Lock()
	whole := f.whole
	f.mu.Unlock()
	return !whole || slices.ContainsFunc(f.intakes(), func(in *intake) bool { return in.claims(project) })
}

// feedOf returns the source of a name; nil: none is configured.
func (c *Controller) feedOf(name string) *feed {
	for _, f := range c.sources {
		if name != "" && f.name() == name {
			return f
		}
	}
	return nil
}

// mayOwn refuses a project that is another source's: one that stands before it
// in the configuration, or the one that it was accepted from.
func (c *Controller) mayOwn(in *intake, project string) error {
	for _, f := range c.sources {
		for _, other := range f.intakes() {
			if other == in {
				return c.released(in, project)
			}
			if other.claims(project) {
				return &api.Error{
					Reason:  api.ReasonInvalid,
					Message: fmt.Sprintf("project %s is read from %s already", project, other.words()),
					Hint:    "give one of them another name:",
				}
			}
		}
	}
	return nil
}

// released refuses a project that was accepted from elsewhere and not let go
// there: who may push to one repository must not take over what another says.
func (c *Controller) released(in *intake, project string) error {
	all, err := c.opts.Store.Projects()
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	i := slices.IndexFunc(all, func(p spec.Project) bool { return p.Name == project })
	if i < 0 {
		return nil
	}
	owner, mine := ownerOf(all[i]), in.feed.name()
	if owner == mine {
		return nil
	}
	from := c.feedOf(owner)
	switch {
	case from != nil && from.holds(project):
		return &api.Error{
			Reason:  api.ReasonInvalid,
			Message: fmt.Sprintf("project %s belongs to source %s, where it was accepted from; take it out of there first", project, owner),
		}
	case mine == "" || from != nil || takes(in.feed, project):
		return nil
	}
	was := "a file or teal apply"
	if owner != "" {
		was = "source " + owner + ", which is not configured any more"
	}
	return &api.Error{
		Reason:  api.ReasonInvalid,
		Message: fmt.Sprintf("project %s was accepted before from %s; to hand it over, name it in the configuration of source %s: projects: %s", project, was, mine, project),
	}
}

// ownerOf is the source that a project was accepted from; empty: a file, or a
// person.
func ownerOf(p spec.Project) string {
	if p.Source.Origin == nil {
		return ""
	}
	return p.Source.Origin.Source
}

// takes reports whether the operator said that a source gets a project.
func takes(f *feed, project string) bool {
	p, ok := f.source.(Pulled)
	return ok && slices.Contains(p.State().Takes, project)
}

// takeWhole deals with what a source does not name any more, once all that it does
// name is known. Nothing is given up while a file of it cannot be understood: it
// may be what is missing.
func (c *Controller) takeWhole(ctx context.Context, f *feed, u source.Update) {
	c.followed(f)
	names, clear := f.keepOnly(u.Parts)
	agreed := strings.Join(u.Parts, "\n") + "\n\n" + strings.Join(names, "\n")
	f.mu.Lock()
	settled := f.whole && f.agreed == agreed
	f.mu.Unlock()
	if !clear || settled {
		return
	}
	f.mu.Lock()
	f.whole = true
	f.mu.Unlock()
	c.reconsider(ctx) // what it let go may be what another waits for
	if err := c.letGo(ctx, f, names, u.Prune); err != nil {
		c.log.Error("projects that a source does not name any more were not dealt with", "source", f.name(), "error", err)
		return
	}
	f.mu.Lock()
	f.agreed = agreed
	f.mu.Unlock()
}

// followed notes that the source as a whole is well.
func (c *Controller) followed(f *feed) {
	f.self.mu.Lock()
	ailed := f.self.reason != ""
	f.self.last, f.self.problems, f.self.reason = &source.Update{All: true}, nil, ""
	f.self.mu.Unlock()
	if ailed {
		c.note(reconcile.Event{At: now(), Reason: ReasonSourceBack, Message: f.words() + " is followed again"})
	}
	c.changes.signal()
}

// keepOnly drops the parts that are not named, and returns the projects of the
// others. clear is false when one of them is not known.
func (f *feed) keepOnly(parts []string) (projects []string, clear bool) {
	f.mu.Lock()
	for name := range f.parts {
		if !slices.Contains(parts, name) {
			delete(f.parts, name)
		}
	}
	f.mu.Unlock()
	clear = true
	for _, name := range parts {
		in := f.intake(name)
		in.mu.Lock()
		if in.last == nil || in.last.Err != nil {
			clear = false
		}
		projects = append(projects, in.project)
		in.mu.Unlock()
	}
	slices.Sort(projects)
	return projects, clear
}

// letGo orphans or removes the projects that were accepted from a source and are
// not among those that it names.
func (c *Controller) letGo(ctx context.Context, f *feed, names []string, prune bool) error {
	all, err := c.opts.Store.Projects()
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	for _, p := range all {
		if ownerOf(p) != f.name() || slices.Contains(names, p.Name) || c.claimed(p.Name) {
			continue
		}
		o := offer{project: spec.Project{Name: p.Name}, remove: prune, orphan: !prune, by: f.words() + ", which does not name it any more"}
		if _, err := c.accept(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// claimed reports whether any source names a project.
func (c *Controller) claimed(project string) bool {
	return slices.ContainsFunc(c.sources, func(f *feed) bool {
		return slices.ContainsFunc(f.intakes(), func(in *intake) bool { return in.claims(project) })
	})
}

// status describes the source for people.
func (f *feed) status() api.SourceStatus {
	out := api.SourceStatus{Files: f.source.Files(), Read: f.source.Looked()}
	for _, in := range f.intakes() {
		in.mu.Lock()
		if in.part == "" {
			out.Project, out.Problems, out.Accepted, out.Valid = in.project, in.problems, in.accepted, in.valid()
		} else {
			out.Projects = append(out.Projects, api.SourceProject{
				File: in.part, Project: in.project, Valid: in.valid(), Problems: in.problems, Accepted: in.accepted,
			})
		}
		in.mu.Unlock()
	}
	p, ok := f.source.(Pulled)
	if !ok {
		return out
	}
	s := p.State()
	out.Name, out.URL, out.Follow, out.Commit, out.Next = s.Name, s.URL, s.Follow, s.Commit, s.Next
	for _, part := range out.Projects {
		if out.Valid.OK && !part.Valid.OK {
			out.Valid = part.Valid
		}
		if part.Accepted.After(out.Accepted) {
			out.Accepted = part.Accepted
		}
	}
	return out
}
