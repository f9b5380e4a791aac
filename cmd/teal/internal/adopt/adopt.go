// Package adopt writes the desired state that takes over what a site runs today:
// a Compose file with a service per colour, or one that publishes its port
// itself, an nginx that names one of the ports, and the containers that run.
//
// It promises to change nothing: it reads what it is given and returns text. The
// text is the site's own file, edited where it must be, with a comment for
// everything that was not carried over; and it says what it could not decide.
package adopt

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"teal/spec"
)

// Site is what there is today.
type Site struct {
	// Options say how the Compose file is read; Options.Files names one file.
	Options spec.Options
	Text    []byte // of that file
	Running []Container
	Nginx   *Nginx // nil: not known
	Hosts   []Host // that the controller has; empty: only this one
}

// Host is a host of the controller.
type Host struct {
	Name    string
	Address string // on which containers publish ports; empty: it is the proxy's own
}

// Container is one that is on a host.
type Container struct {
	Name, Host       string
	Project, Service string // as Docker Compose has them; may be empty
	Image            string
	Running          bool
	Ports            []Port
	Addresses        []string // its own
}

// Port is a TCP port of a container that the host publishes.
type Port struct {
	HostIP       string
	Host, Inside int
}

// Choice is what only the operator knows.
type Choice struct {
	Pairs  []Pair
	App    string            // the service to be an app where there is no pair
	Serves map[string]string // colour by app; the key "" is for all
	Health string            // path to probe; empty: what the healthcheck says
	Draft  string            // absolute path that the text is to have
}

// Result is what was found and written.
type Result struct {
	Project      string
	Text         []byte
	Apps         []App
	Dependencies []Dependency
	// Left are things that are not carried over, each said with where it stands.
	Left spec.Errors
	// Wrong are what Teal still refuses in Text; with any, it cannot be used yet.
	Wrong spec.Errors
}

// App is one service that is taken over.
type App struct {
	Name      string
	Pair      *Pair // nil: one container that publishes its port itself
	Colour    spec.Colour
	Why       string // how it is known that Colour serves
	Container Container
	Adopted   spec.Adopted
	Image     string
	Port      int // inside the container
	Publish   *spec.Publish
	Hosts     []string
	Route     spec.Route
	Health    string // path; empty: the container's own check, or any answer
	// Proxied are the places of nginx that lead to it.
	Proxied []Proxied
	// Taken are ports of the host that the container has and the proxy needs.
	Taken []Port
	Notes []string
}

// Dependency is another service that goes on as it is.
type Dependency struct {
	Name      string
	Container string // that runs now; empty: none
	Host      string
}

// QuestionError is what cannot be found out.
type QuestionError struct{ Message, Hint string }

// Error returns the message.
func (q *QuestionError) Error() string { return q.Message }

// Write finds out what runs and writes the desired state that takes it over. An
// error that is a [*QuestionError] can be answered by a flag.
func Write(ctx context.Context, s Site, c Choice) (Result, error) {
	w := &writer{site: s, choice: c}
	if err := w.survey(ctx); err != nil {
		return Result{}, err
	}
	if err := w.find(); err != nil {
		return Result{}, err
	}
	for i := range w.out.Apps {
		if err := w.settle(&w.out.Apps[i]); err != nil {
			return Result{}, err
		}
	}
	w.dependencies()
	if err := w.edit(ctx); err != nil {
		return Result{}, err
	}
	return w.out, w.verify(ctx)
}

// writer is one run of [Write].
type writer struct {
	site     Site
	choice   Choice
	project  *spec.Project // what the file says today
	problems spec.Errors   // that the file has today
	page     *page
	out      Result
}

// survey reads the file as Teal would, as far as it would.
func (w *writer) survey(ctx context.Context) error {
	var err error
	if w.page, err = read(w.site.Text); err != nil {
		return fmt.Errorf("%s: %w", w.file(), err)
	}
	opts := w.site.Options
	opts.Profiles = []string{"*"} // a colour is often a profile
	if w.project, w.problems, err = look(ctx, opts); err != nil {
		return err
	}
	if w.project == nil || len(w.page.services()) == 0 {
		return &QuestionError{"nothing can be read from " + w.file() + ": " + w.problems.Error(), "write it in block style, one key per line, as docker compose reads it"}
	}
	w.out.Project = w.project.Name
	return nil
}

func (w *writer) file() string { return filepath.Base(w.site.Options.Files[0]) }

// service returns what the file says today of a service.
func (w *writer) service(name string) (spec.Service, bool) {
	i := slices.IndexFunc(w.project.Services, func(s spec.Service) bool { return s.Name.Service == name })
	if i < 0 {
		return spec.Service{}, false
	}
	return w.project.Services[i], true
}

// containers returns those of a service, running ones first.
func (w *writer) containers(service string) []Container {
	var out []Container
	for _, c := range w.site.Running {
		byLabel := c.Project == w.project.Name && c.Service == service
		byName := c.Project == "" && (c.Name == service || c.Name == w.containerName(service))
		if byLabel || byName {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Container) int {
		switch {
		case a.Running == b.Running:
			return 0
		case a.Running:
			return -1
		}
		return 1
	})
	return out
}

// containerName is what the file calls the service's container.
func (w *writer) containerName(service string) string {
	if e := w.page.service(service); e != nil {
		if n := named(w.page.keys(e), "container_name"); n != nil {
			return n.value.Value
		}
	}
	return ""
}

// running returns the running container of a service.
func (w *writer) running(service string) (Container, bool) {
	list := w.containers(service)
	if len(list) == 0 || !list[0].Running {
		return Container{}, false
	}
	return list[0], true
}
