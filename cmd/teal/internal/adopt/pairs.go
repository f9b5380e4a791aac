package adopt

import (
	"fmt"
	"slices"
	"strings"

	"teal/spec"
)

// Pair are two services that are the colours of one app.
type Pair struct{ App, Blue, Green string }

// Of returns the service of a colour.
func (p Pair) Of(c spec.Colour) string {
	if c == spec.Green {
		return p.Green
	}
	return p.Blue
}

// ParsePair reads "was=was_blue,was_green", the first one blue.
func ParsePair(text string) (Pair, error) {
	app, colours, ok := strings.Cut(text, "=")
	blue, green, two := strings.Cut(colours, ",")
	if !ok || !two || app == "" || blue == "" || green == "" || strings.Contains(green, ",") || blue == green {
		return Pair{}, fmt.Errorf("%q does not say APP=BLUE,GREEN", text)
	}
	return Pair{app, blue, green}, nil
}

// find decides which services are apps: pairs by their names, those that the
// operator named, or the only service.
func (w *writer) find() error {
	pairs := slices.Clone(w.choice.Pairs)
	for _, s := range w.project.Services {
		for _, sep := range []string{"_", "-"} {
			app, ok := strings.CutSuffix(s.Name.Service, sep+"blue")
			_, both := w.service(app + sep + "green")
			p := Pair{app, app + sep + "blue", app + sep + "green"}
			if ok && both && app != "" && !slices.ContainsFunc(pairs, p.shares) {
				pairs = append(pairs, p)
			}
		}
	}
	for _, p := range pairs {
		if err := w.pair(p); err != nil {
			return err
		}
	}
	if w.choice.App == "" && len(pairs) == 0 && len(w.project.Services) == 1 {
		w.choice.App = w.project.Services[0].Name.Service
	}
	switch {
	case w.choice.App != "":
		if _, ok := w.service(w.choice.App); !ok {
			return &QuestionError{fmt.Sprintf("there is no service %q in %s", w.choice.App, w.file()), "--app " + w.names()}
		}
		w.out.Apps = append(w.out.Apps, App{Name: w.choice.App})
	case len(pairs) == 0:
		return &QuestionError{
			fmt.Sprintf("no services in %s are a pair of colours: none ends in _blue and _green, or -blue and -green", w.file()),
			"--pair was=SERVICE,SERVICE, or --app SERVICE for one whose container publishes its port itself",
		}
	}
	return nil
}

func (p Pair) shares(o Pair) bool {
	return p.App == o.App || p.Blue == o.Blue || p.Green == o.Green || p.Blue == o.Green || p.Green == o.Blue
}

func (w *writer) names() string {
	var out []string
	for _, s := range w.project.Services {
		out = append(out, s.Name.Service)
	}
	return strings.Join(out, "|")
}

func (w *writer) pair(p Pair) error {
	for _, name := range []string{p.Blue, p.Green} {
		if _, ok := w.service(name); !ok {
			return &QuestionError{fmt.Sprintf("there is no service %q in %s", name, w.file()), "--pair " + p.App + "=SERVICE,SERVICE with two of " + w.names()}
		}
		if w.page.service(name) == nil {
			return &QuestionError{fmt.Sprintf("the service %s does not stand in %s itself", name, w.file()), "name the file it stands in with -f"}
		}
	}
	if _, taken := w.service(p.App); taken && p.App != p.Blue && p.App != p.Green {
		return &QuestionError{fmt.Sprintf("the pair %s, %s would become %s, and there is a service of that name", p.Blue, p.Green, p.App), "--pair NAME=" + p.Blue + "," + p.Green}
	}
	w.out.Apps = append(w.out.Apps, App{Name: p.App, Pair: &p})
	return nil
}

// differences tells what the colours do not have in common, but for what every
// pair differs in.
func (w *writer) differences(a *App) []string {
	if a.Pair == nil {
		return nil
	}
	kept, _ := w.service(a.Pair.Of(a.Colour))
	other, _ := w.service(a.Pair.Of(a.Colour.Other()))
	var out []string
	for _, c := range spec.Diff(alone(other), alone(kept)) {
		key := strings.TrimPrefix(c.Path, "services.x.")
		out = append(out, fmt.Sprintf("%s differs between the colours; that of %s stays: %s", strings.TrimPrefix(key, "container."), a.Pair.Of(a.Colour), words(c)))
	}
	return out
}

func words(c spec.Change) string {
	_, after, ok := strings.Cut(c.String(), ": ")
	if !ok {
		return c.String()
	}
	return after
}

// alone returns a project with only s, without what tells colours apart.
func alone(s spec.Service) spec.Project {
	own := s.Name.Service
	s.Name.Service = "x"
	s.Container.Ports, s.Container.Publish = nil, nil
	s.Rollout, s.Hosts, s.Adopt, s.Replicas = nil, nil, nil, 1
	s.Container.Networks = slices.Clone(s.Container.Networks)
	for i := range s.Container.Networks {
		n := &s.Container.Networks[i]
		n.Aliases = slices.DeleteFunc(slices.Clone(n.Aliases), func(a string) bool { return a == own })
	}
	return spec.Project{Name: s.Name.Project, Services: []spec.Service{s}}
}
