package main

import (
	"context"
	"path/filepath"
	"strings"

	"teal/controller"
	"teal/controller/commitstatus"
	"teal/reconcile"
	"teal/spec"
)

// statusFile is the name of the file in the state folder that says which statuses
// were written.
const statusFile = "statuses.json"

// statuses reads where the statuses of a source's commits are written.
func (f *fields) statuses(out *pulled) {
	kind := f.text("status")
	if kind == "" {
		for _, field := range commitstatus.Fields {
			if f.given.Has(field) {
				f.problem("%s means nothing without status: github, gitlab or gitea", field)
			}
		}
		return
	}
	s, err := commitstatus.Parse(commitstatus.Config{
		Kind: kind, Repository: out.options.URL, URL: f.text("status_url"),
		TokenFile: f.text("status_token_file"), Target: f.text("status_target"), CA: f.text("ca"),
	})
	if err != nil {
		f.problem("%v", err)
	}
	out.status = s
}

// openReporter returns who writes statuses; nil: no source wants any.
func (w *wiring) openReporter() *commitstatus.Reporter {
	services := map[string]*commitstatus.Service{}
	for _, s := range w.pulling.sources {
		if s.status != nil {
			services[s.name] = s.status
		}
	}
	if len(services) == 0 {
		return nil
	}
	return commitstatus.New(commitstatus.Options{
		Prefix: w.statusPrefix(), Services: services, File: filepath.Join(w.statePath(), statusFile), Logger: w.log,
		Projects: w.db.Projects, History: w.db.History, Refused: func() []commitstatus.Refused { return w.refusedCommits() },
		Status: func(ctx context.Context) ([]reconcile.Status, error) {
			list, err := w.core.Status(ctx, spec.Name{})
			return list.Apps, err
		},
		Subscribe: func(ctx context.Context) <-chan struct{} { return w.core.Subscribe(ctx) },
		Note:      func(events ...reconcile.Event) { w.core.Note(events...) },
	})
}

// statusPrefix tells the statuses of several controllers apart, where their
// operator named them.
func (w *wiring) statusPrefix() string {
	if made, err := w.controllerID(""); err == nil && made == w.id {
		return "teal"
	}
	return "teal/" + w.id
}

// refusedCommits are the newest commits of sources whose files were refused.
func (w *wiring) refusedCommits() (out []commitstatus.Refused) {
	for _, s := range w.core.Sources() {
		if s.Commit == nil {
			continue
		}
		for _, p := range s.Projects {
			if p.Valid.Reason == controller.ReasonSpecInvalid {
				out = append(out, commitstatus.Refused{Origin: *s.Commit, Project: p.Project, Words: strings.Join(p.Problems, "; ")})
			}
		}
	}
	return out
}
