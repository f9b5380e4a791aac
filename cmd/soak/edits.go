package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"teal/spec"
)

// editActions are what people do to desired states, and say to the controller.
func editActions() []action {
	return []action{
		{16, version(good)},
		{3, version(unhealthy)},
		{3, version(crashing)},
		{2, version(missing)},
		{2, version(failing)},
		{4, (*soaker).editReplicas},
		{3, (*soaker).editEnvironment},
		{4, (*soaker).flip},
		{3, (*soaker).threeEdits},
		{3, (*soaker).breakFile},
		{2, (*soaker).editDependency},
		{2, (*soaker).editRetry},
		{2, (*soaker).comeOrGo},
		{6, (*soaker).promote},
		{3, command("undo")},
		{2, command("abort")},
		{2, command("retry")},
	}
}

// some returns an app that is there and meets a condition, and its project; nil:
// there is none.
func (s *soaker) some(met func(*app) bool) (*app, *project) {
	var apps []*app
	var of []*project
	for _, p := range s.projects {
		for _, a := range p.apps {
			if !a.absent && met(a) {
				apps, of = append(apps, a), append(of, p)
			}
		}
	}
	if len(apps) == 0 {
		return nil, nil
	}
	n := s.rng.IntN(len(apps))
	return apps[n], of[n]
}

func anyApp(*app) bool { return true }

// edit changes an app's part of its file and sends that.
func (s *soaker) edit(ctx context.Context, a *app, p *project, what string, change func()) error {
	s.change(a, what, change)
	return s.send(ctx, p)
}

// change changes an app's part of its file, which is not sent yet.
func (s *soaker) change(a *app, what string, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, text := a.version, a.yaml()
	a.changed = time.Now()
	change()
	if a.yaml() == text {
		return // it reads as before: that is no new wish
	}
	a.wished(a.version, a.quality, a.gated() && !a.flipped)
	a.mostReplicas = max(a.mostReplicas, a.replicas)
	if a.version != was {
		a.edited = time.Time{}
		if a.quality == good && !a.gated() {
			a.edited = time.Now()
		}
	}
	s.journal.write(what, a.name.String(), "%s of %s, %d replicas, active %s", a.version, a.image, a.replicas, a.active)
}

// version returns the action of wishing for a new version that turns out as q.
func version(q quality) func(*soaker, context.Context) error {
	return func(s *soaker, ctx context.Context) error {
		a, p := s.some(anyApp)
		return s.edit(ctx, a, p, "edit "+string(q), func() {
			a.image = imageTags[s.rng.IntN(len(imageTags))]
			a.next(q)
		})
	}
}

func (s *soaker) editReplicas(ctx context.Context) error {
	a, p := s.some(anyApp)
	return s.edit(ctx, a, p, "edit replicas", func() { a.replicas = 1 + s.rng.IntN(3) })
}

func (s *soaker) editEnvironment(ctx context.Context) error {
	a, p := s.some(anyApp)
	return s.edit(ctx, a, p, "edit environment", func() { a.extra++ })
}

func (s *soaker) editRetry(ctx context.Context) error {
	a, p := s.some(anyApp)
	return s.edit(ctx, a, p, "edit retry", func() { a.retry++ })
}

// flip names another live colour for an app that has one pinned.
func (s *soaker) flip(ctx context.Context) error {
	a, p := s.some(func(a *app) bool { return a.pins })
	if a == nil {
		return nil
	}
	return s.edit(ctx, a, p, "edit active", func() {
		a.active = []spec.Active{spec.Active(spec.Blue), spec.Active(spec.Green), spec.ActiveAuto}[s.rng.IntN(3)]
		a.flipped = true
		a.wentBack()
	})
}

// threeEdits are saved within a second; only the last one counts.
func (s *soaker) threeEdits(ctx context.Context) error {
	a, p := s.some(anyApp)
	for _, q := range []quality{good, []quality{good, unhealthy, crashing, missing}[s.rng.IntN(4)], good} {
		if err := s.edit(ctx, a, p, "edit of three", func() { a.next(q) }); err != nil {
			return err
		}
		if err := pause(ctx, time.Duration(s.rng.IntN(300))*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// breakFile saves what must be refused; nothing may come of it. A watched file
// stays so until the next edit of it, or the next settling.
func (s *soaker) breakFile(ctx context.Context) error {
	p := s.projects[s.rng.IntN(len(s.projects))]
	text := p.yaml()
	switch s.rng.IntN(3) {
	case 0:
		text = strings.Replace(text, "services:", "services: [", 1)
	case 1:
		text = strings.Replace(text, "    image: soak", "    imagge: soak", 1)
	case 2:
		text = ""
	}
	s.journal.write("break file", p.name, "%d bytes that must be refused", len(text))
	if err := s.teal.write(p.name+".yaml", text); err != nil {
		return err
	}
	if p.watched {
		s.wrote, s.sources = time.Now(), false
		return nil
	}
	out, err := s.teal.do(ctx, "apply", "-f", s.teal.path(p.name+".yaml"), "--no-wait", "--prune")
	if code(err) != 2 {
		s.find("refusal", "a broken file of %s ended with %v, not with exit code 2: %s", p.name, err, out)
	}
	return nil
}

func (s *soaker) editDependency(ctx context.Context) error {
	p := s.projects[s.rng.IntN(len(s.projects))]
	p.cache++
	s.journal.write("edit dependency", p.name, "to %d", p.cache)
	return s.send(ctx, p)
}

// comeOrGo takes an app out of its file, or puts it back.
func (s *soaker) comeOrGo(ctx context.Context) error {
	for _, p := range s.projects {
		for _, a := range p.apps {
			if !a.comesGoes || s.rng.IntN(2) == 0 {
				continue
			}
			s.mu.Lock()
			if !a.absent {
				s.disconnect(a)
				a.forget()
				a.absent, a.edited, a.observed = true, time.Time{}, 0
				s.journal.write("take app out", a.name.String(), "")
			} else {
				a.absent, a.flipped = false, true
				a.next(good)
				a.wished(a.version, a.quality, false)
				s.journal.write("put app back", a.name.String(), "%s", a.version)
			}
			s.mu.Unlock()
			return s.send(ctx, p)
		}
	}
	return nil
}

// promote opens the gate of an app that has a manual one.
func (s *soaker) promote(ctx context.Context) error {
	a, _ := s.some(func(a *app) bool { return a.manual })
	if a == nil {
		return nil
	}
	s.mu.Lock()
	a.opened()
	s.mu.Unlock()
	return s.command(ctx, "promote", a)
}

// command returns the action of saying a word about some app.
func command(verb string) func(*soaker, context.Context) error {
	return func(s *soaker, ctx context.Context) error {
		a, _ := s.some(anyApp)
		s.mu.Lock()
		switch {
		case verb != "retry":
			a.wentBack()
		case a.quality == good && a.gated():
			a.waits[a.version] = true
		case a.quality == good:
			a.may[a.version] = true
		}
		s.mu.Unlock()
		return s.command(ctx, verb, a)
	}
}

func (s *soaker) command(ctx context.Context, verb string, a *app) error {
	s.mu.Lock()
	a.changed = time.Now()
	s.mu.Unlock()
	argv := []string{verb, a.name.String(), "--timeout", "5s"}
	if verb == "promote" || verb == "undo" {
		argv = append(argv, "--no-wait")
	}
	s.journal.write(verb, a.name.String(), "")
	out, err := s.teal.do(ctx, argv...)
	if c := code(err); err != nil && c != 1 && c != 3 {
		s.find("command", "%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	first, _, _ := strings.Cut(out, "\n")
	s.journal.write("answer", a.name.String(), "%d: %s", code(err), first)
	return nil
}

// send has a project's file accepted: it is saved where the controller watches
// it, or sent until the controller took it.
func (s *soaker) send(ctx context.Context, p *project) error {
	if p.watched {
		s.wrote, s.sources = time.Now(), true
		return s.teal.write(p.name+".yaml", p.yaml())
	}
	if err := s.teal.write(p.name+".yaml", p.yaml()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	for {
		out, err := s.teal.do(ctx, "apply", "-f", s.teal.path(p.name+".yaml"), "--no-wait", "--prune")
		if err == nil {
			return nil
		}
		if code(err) == 2 {
			s.find("refusal", "a good file of %s was refused: %s", p.name, out)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("send %s: %w: %s", p.name, err, out)
		}
		s.journal.write("sent again", p.name, "%d: %s", code(err), out)
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("send %s: %w: %s", p.name, err, out)
		}
	}
}

// code is the exit status that err says; 0: it ended well, -1: it did not end by
// itself.
func code(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}
