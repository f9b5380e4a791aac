package source

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"teal/spec"
)

// reader decides, from content and time alone, when to read the files and what
// to say.
type reader struct {
	opts Options
	emit func(Update)

	inputs  []string          // of the last project that could be read
	settled map[string]string // content that has been spoken about; nil: none yet
	current map[string]string // content as last seen
	changed time.Time         // when current was first seen
	names   []string          // services of the project emitted last
	failing string            // the problem emitted last; empty: a project was
}

// paths are the files whose content matters: the Compose files, all that they
// read, and the .env that may appear beside the first.
func (r *reader) paths() []string {
	all := append(slices.Clone(r.opts.Files), filepath.Join(filepath.Dir(r.opts.Files[0]), ".env"))
	for _, in := range r.inputs {
		if !filepath.IsAbs(in) {
			in = filepath.Join(filepath.Dir(r.opts.Files[0]), in)
		}
		all = append(all, in)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// look compares the files with what was said last, reads them if they differ,
// and returns when to look again.
func (r *reader) look(ctx context.Context, now time.Time) time.Time {
	content := fingerprints(r.paths())
	if r.settled != nil && r.failing == "" && maps.Equal(content, r.settled) {
		r.current = content
		return now.Add(r.opts.Poll)
	}
	if !maps.Equal(content, r.current) {
		r.current, r.changed = content, now
	}
	project, err := r.load(ctx)
	if ctx.Err() != nil {
		return now // given up, which says nothing about the files
	}
	r.learn(project, err)
	after := fingerprints(r.paths())
	if moved(content, after) {
		r.current, r.changed = after, now
		return now.Add(r.opts.Quiet)
	}
	ripe := r.changed.Add(r.opts.Patience)
	if (err != nil || r.shrinks(project)) && now.Before(ripe) {
		return sooner(ripe, now.Add(r.opts.Patience/retries))
	}
	r.current = after
	r.say(project, err, now)
	return now.Add(r.opts.Poll)
}

// load reads the files; with an error the project is empty.
func (r *reader) load(ctx context.Context) (spec.Project, error) {
	project, err := r.opts.Load(ctx)
	if err != nil {
		return spec.Project{}, err
	}
	return *project, nil
}

// learn notes which files were read, or looked for before reading failed.
func (r *reader) learn(project spec.Project, err error) {
	var refused *spec.Error
	switch {
	case err == nil:
		r.inputs = project.Source.Inputs
	case errors.As(err, &refused):
		r.inputs = append(slices.Clone(r.inputs), refused.Source.Inputs...)
		slices.Sort(r.inputs)
		r.inputs = slices.Compact(r.inputs)
	}
}

// say emits what was read, unless it is the problem that was emitted last.
func (r *reader) say(project spec.Project, err error, now time.Time) {
	r.settled = r.current
	if err != nil {
		if err.Error() == r.failing {
			return
		}
		r.failing = err.Error()
		r.emit(Update{Err: err, At: now.UTC()})
		return
	}
	r.failing, r.names = "", serviceNames(project)
	r.emit(Update{Project: project, Prune: r.opts.Prune, At: now.UTC()})
}

// shrinks reports whether a project has lost services since it was last
// emitted: a file cut short while it is written often still parses.
func (r *reader) shrinks(p spec.Project) bool {
	have := serviceNames(p)
	for _, name := range r.names {
		if !slices.Contains(have, name) {
			return true
		}
	}
	return false
}

func serviceNames(p spec.Project) []string {
	names := make([]string, 0, len(p.Services))
	for _, s := range p.Services {
		names = append(names, s.Name.Service)
	}
	return names
}

// moved reports whether a file that was there in both readings differs.
func moved(before, after map[string]string) bool {
	for path, sum := range before {
		if now, ok := after[path]; ok && now != sum {
			return true
		}
	}
	return false
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
