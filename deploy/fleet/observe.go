package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"teal/deploy/docker"
	"teal/reconcile"
	"teal/spec"
)

// Observe shows an app on the hosts that look names and on those that had
// containers of it when they were last seen, and those that answer and were not
// yet asked for all they have; no other. The containers of a host that does not
// answer are as last seen and marked Lost, and the host is in Away, as is one
// that is not configured. An error means that of the hosts that were to be asked
// none answered.
func (f *Fleet) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	if f.single != nil {
		return f.single.engine.Observe(ctx, app, look)
	}
	f.tryAll(ctx)
	asked, missing := f.asked(app, look)
	sights := make([]sight, len(asked))
	var wg sync.WaitGroup
	for i, m := range asked {
		wg.Go(func() { sights[i] = f.observeOn(ctx, m, app, f.lookOn(m, look)) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return reconcile.Seen{}, fmt.Errorf("observe %s: %w", app, err)
	}
	return merge(app, asked, sights, missing)
}

// sight is what one host showed, or last showed if err is set.
type sight struct {
	seen reconcile.Seen
	err  error
}

// asked are the hosts that may have something of an app, and those that should
// but are not configured.
func (f *Fleet) asked(app spec.Name, look reconcile.Look) (asked []*member, missing []reconcile.AwayHost) {
	names := slices.Clone(look.Hosts)
	if len(names) == 0 {
		names = []string{""}
	}
	for _, a := range look.Adopted {
		names = append(names, a.Host)
	}
	wanted := map[*member]bool{}
	for _, name := range names {
		m := f.find(name)
		if m == nil {
			missing = append(missing, reconcile.AwayHost{Host: name, Words: f.unknown(name)})
			continue
		}
		wanted[m] = true
	}
	for _, m := range f.members {
		if wanted[m] || m.has(app) || m.mayHave() {
			asked = append(asked, m)
		}
	}
	return asked, missing
}

// lookOn is the part of look that is about one host.
func (f *Fleet) lookOn(m *member, look reconcile.Look) reconcile.Look {
	out := reconcile.Look{Hosts: []string{m.Name}}
	for _, a := range look.Adopted {
		if f.find(a.Host) == m {
			out.Adopted = append(out.Adopted, a)
		}
	}
	return out
}

// observeOn asks one host, within its limit.
func (f *Fleet) observeOn(ctx context.Context, m *member, app spec.Name, look reconcile.Look) sight {
	if words, is := m.absent(); is {
		return sight{m.remembered(app), errors.New(words)}
	}
	mark := m.mark()
	seen, err := within(ctx, f, f.limits.Answer, func(ctx context.Context) (reconcile.Seen, error) {
		return m.engine.Observe(ctx, app, look)
	})
	if err == nil {
		for i := range seen.Containers {
			seen.Containers[i].Host = m.Name
		}
		if seen.Test != nil {
			seen.Test.Host = m.Name
		}
		m.remember(app, seen, mark)
		return sight{seen: seen}
	}
	if ctx.Err() == nil && docker.Unanswered(err) {
		m.doubt(err, f.limits)
	}
	return sight{m.remembered(app), errors.New(m.said(err))}
}

// merge puts the sights of several hosts together.
func merge(app spec.Name, asked []*member, sights []sight, missing []reconcile.AwayHost) (reconcile.Seen, error) {
	out := reconcile.Seen{Away: missing}
	var errs []error
	for i, s := range sights {
		out.Containers = append(out.Containers, s.seen.Containers...)
		if t := s.seen.Test; t != nil && (out.Test == nil || t.StartedAt.After(out.Test.StartedAt)) {
			out.Test = t
		}
		if s.err != nil {
			out.Away = append(out.Away, reconcile.AwayHost{Host: asked[i].Name, Words: s.err.Error()})
			errs = append(errs, fmt.Errorf("%s: %w", asked[i], s.err))
		}
	}
	if len(asked) > 0 && len(errs) == len(asked) {
		return reconcile.Seen{}, fmt.Errorf("observe %s: %w", app, joined(errs))
	}
	slices.SortFunc(out.Containers, func(a, b reconcile.Container) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Host, b.Host))
	})
	slices.SortFunc(out.Away, func(a, b reconcile.AwayHost) int { return strings.Compare(a.Host, b.Host) })
	return out, nil
}

// joined is several errors in one line.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return &severalError{text: strings.Join(texts, "; "), errs: errs}
}

type severalError struct {
	text string
	errs []error
}

func (s *severalError) Error() string   { return s.text }
func (s *severalError) Unwrap() []error { return s.errs }

// Apps lists every app that has containers on a host, with the highest
// generation on their labels; of hosts that do not answer, what they had when
// they were last seen. It is an error only if no host answers.
func (f *Fleet) Apps(ctx context.Context) (map[spec.Name]int64, error) {
	if f.single != nil {
		return f.single.engine.Apps(ctx)
	}
	errs := make([]error, len(f.members))
	var wg sync.WaitGroup
	for i, m := range f.members {
		wg.Go(func() {
			if words, is := m.absent(); is {
				errs[i] = errors.New(m.named(words))
				return
			}
			errs[i] = f.list(ctx, m)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	out := map[spec.Name]int64{}
	for _, m := range f.members {
		m.had(out)
	}
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) == len(f.members) {
		return nil, fmt.Errorf("list apps: %w", joined(errs))
	}
	return out, nil
}

// list renews what is known to be on a host.
func (f *Fleet) list(ctx context.Context, m *member) error {
	mark := m.mark()
	listed, err := within(ctx, f, f.limits.Answer, m.engine.Apps)
	if err == nil {
		m.refresh(listed, mark)
		return nil
	}
	if ctx.Err() == nil && docker.Unanswered(err) {
		m.doubt(err, f.limits)
	}
	return errors.New(m.named(err.Error()))
}

// had adds the apps of the host to out.
func (m *member) had(out map[spec.Name]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for app, i := range m.apps {
		if i.generation > 0 {
			out[app] = max(out[app], i.generation)
		}
	}
}
