package adopt

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"teal/spec"
)

// side is what is known of one colour of a pair.
type side struct {
	service   string
	container Container
	runs      bool
	published []int    // ports of the host
	inside    []int    // ports of the container
	pointed   []string // places of nginx
	backup    bool     // nginx takes it when the others are away
}

// serving finds out which colour has the traffic: where nginx points, and what
// runs. It sets Colour, Why, Container and Proxied.
func (w *writer) serving(a *App) error {
	sides := map[spec.Colour]*side{}
	for _, c := range []spec.Colour{spec.Blue, spec.Green} {
		sides[c] = w.side(a.Pair.Of(c))
	}
	w.follow(a, sides)
	blue, green := sides[spec.Blue], sides[spec.Green]
	switch said, told := w.told(a.Name); {
	case told:
		a.Colour, a.Why = said, "as --serves says"
	case blue.points() != green.points():
		a.Colour, a.Why = pointed(sides)
	case blue.runs != green.runs:
		a.Colour = colourIf(green.runs)
		a.Why = sides[a.Colour.Other()].service + " does not run"
		if blue.points() {
			a.Why = "nginx names both, and " + a.Why
		}
	default:
		return w.unclear(a, blue, green)
	}
	return w.mustRun(a, sides[a.Colour])
}

func colourIf(green bool) spec.Colour {
	if green {
		return spec.Green
	}
	return spec.Blue
}

// pointed is the only colour that nginx sends requests to, or its backup.
func pointed(sides map[spec.Colour]*side) (c spec.Colour, why string) {
	c = colourIf(sides[spec.Green].points())
	if at, other := sides[c], sides[c.Other()]; !at.runs && other.runs && other.backup {
		return c.Other(), "nginx has it as the backup of " + at.service + ", which does not run"
	}
	return c, "nginx sends requests to it alone: " + strings.Join(sides[c].pointed, ", ")
}

// unclear asks the operator, with the reason.
func (w *writer) unclear(a *App, blue, green *side) error {
	both := fmt.Sprintf("%s and %s both run", blue.service, green.service)
	switch {
	case !blue.runs:
		return w.ask(a, "neither %s nor %s runs in the project %s", blue.service, green.service, w.project.Name)
	case blue.points():
		return w.ask(a, "%s, and nginx sends requests to both (%s; %s)", both, strings.Join(blue.pointed, ", "), strings.Join(green.pointed, ", "))
	case w.site.Nginx != nil:
		return w.ask(a, "%s, and no proxy_pass of nginx leads to either", both)
	}
	return w.ask(a, "%s, and it is not known where nginx points", both)
}

// mustRun refuses a colour without a running container.
func (w *writer) mustRun(a *App, s *side) error {
	if !s.runs {
		return &QuestionError{
			fmt.Sprintf("%s is to serve (%s), but it has no running container in the project %s", s.service, a.Why, w.project.Name),
			"start it, name the project with --project, or say which colour serves: --serves " + string(a.Colour.Other()),
		}
	}
	a.Container = s.container
	return nil
}

func (w *writer) ask(a *App, format string, args ...any) error {
	hint := "say which one has the traffic: --serves blue, or --serves green"
	if len(w.out.Apps) > 1 {
		hint = fmt.Sprintf("say which one has the traffic: --serves %s=blue, or --serves %s=green", a.Name, a.Name)
	}
	if w.site.Nginx == nil {
		hint += "; or show it where nginx points: --nginx FILE"
	}
	return &QuestionError{fmt.Sprintf("which colour of %s serves? ", a.Name) + fmt.Sprintf(format, args...), hint}
}

// told is what the operator said.
func (w *writer) told(app string) (spec.Colour, bool) {
	for _, key := range []string{app, ""} {
		if c, ok := w.choice.Serves[key]; ok {
			return spec.Colour(c), true
		}
	}
	return "", false
}

// points reports whether nginx sends requests to it.
func (s *side) points() bool { return len(s.pointed) > 0 }

func (w *writer) side(service string) *side {
	s := &side{service: service}
	s.container, s.runs = w.running(service)
	declared, _ := w.service(service)
	for _, p := range declared.Container.Ports {
		if n, err := strconv.Atoi(p.Published); err == nil && p.Protocol == "tcp" {
			s.published = append(s.published, n)
		}
		s.inside = append(s.inside, p.Target)
	}
	for _, p := range s.container.Ports {
		s.published = append(s.published, p.Host)
		s.inside = append(s.inside, p.Inside)
	}
	return s
}

// follow finds the places of nginx that lead to the colours.
func (w *writer) follow(a *App, sides map[spec.Colour]*side) {
	if w.site.Nginx == nil {
		return
	}
	for _, p := range w.site.Nginx.Proxied {
		leads := false
		for _, t := range p.Targets {
			for _, c := range []spec.Colour{spec.Blue, spec.Green} {
				s := sides[c]
				if !s.at(t.Address) {
					continue
				}
				leads = true
				s.backup = s.backup || t.Backup
				if !t.Off && !t.Backup && !slices.Contains(s.pointed, t.place()) {
					s.pointed = append(s.pointed, t.place())
				}
			}
		}
		if leads {
			a.Proxied = append(a.Proxied, p)
		}
	}
}

// at reports whether address leads to the colour.
func (s *side) at(address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, errPort := strconv.Atoi(port)
	if err != nil || errPort != nil {
		return false
	}
	if host == s.service || host == s.container.Name || slices.Contains(s.container.Addresses, host) {
		return len(s.inside) == 0 || slices.Contains(s.inside, n)
	}
	// Another name of one word is another container's.
	word := net.ParseIP(host) == nil && !strings.Contains(host, ".") && host != "localhost"
	return !word && slices.Contains(s.published, n)
}
