package adopt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teal/spec"
)

// look reads a desired state as far as it can be read.
func look(ctx context.Context, opts spec.Options) (*spec.Project, spec.Errors, error) {
	p, err := spec.Survey(ctx, opts)
	var refused *spec.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, nil, err
	}
	if refused == nil {
		return p, nil, nil
	}
	return p, refused.Problems, nil
}

// verify reads the text as Teal will: what is refused is told, and so is every
// setting that is not as it is today.
func (w *writer) verify(ctx context.Context) error {
	opts := w.site.Options
	opts.Files = []string{w.choice.Draft}
	opts.Drafts = map[string][]byte{w.choice.Draft: w.out.Text}
	opts.ProjectName = ""
	for _, h := range w.site.Hosts {
		opts.Policy.Hosts = append(opts.Policy.Hosts, h.Name)
	}
	p, problems, err := look(ctx, opts)
	if err != nil {
		return err
	}
	w.out.Wrong = problems
	if p == nil {
		return nil
	}
	if p.Name != w.project.Name {
		w.out.Wrong = append(w.out.Wrong, spec.Problem{Key: "name", Message: fmt.Sprintf("the project would be called %q, and what runs is of %q", p.Name, w.project.Name), Hint: "take COMPOSE_PROJECT_NAME out of .env"})
	}
	for _, a := range w.out.Apps {
		before, _ := w.service(a.service())
		if before.Container.Image == "" {
			before.Container.Image = a.Image
		}
		for _, s := range p.Services {
			if s.Name.Service == a.Name {
				w.compare(a.Name, before, s)
			}
		}
	}
	return nil
}

// compare tells what would be another than it is today.
func (w *writer) compare(app string, before, after spec.Service) {
	for _, c := range spec.Diff(alone(before), alone(after)) {
		key := "services." + app + "." + strings.TrimPrefix(strings.TrimPrefix(c.Path, "services.x."), "container.")
		if strings.Contains(key, ".restart") || strings.Contains(key, ".depends_on") {
			continue // said, or renamed
		}
		w.out.Wrong = append(w.out.Wrong, spec.Problem{Key: key, Message: "is not as it is today: " + words(c), Hint: "write it as it was"})
	}
}
