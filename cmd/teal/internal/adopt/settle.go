package adopt

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"teal/spec"
)

// settle finds out all that the desired state must say of an app.
func (w *writer) settle(a *App) error {
	service := a.Name
	if a.Pair == nil {
		if err := w.plain(a); err != nil {
			return err
		}
	} else {
		if err := w.serving(a); err != nil {
			return err
		}
		service = a.Pair.Of(a.Colour)
	}
	declared, _ := w.service(service)
	a.Image = cmp.Or(declared.Container.Image, a.Container.Image)
	a.Notes = append(a.Notes, w.differences(a)...)
	if err := w.ports(a); err != nil {
		return err
	}
	w.place(a)
	w.route(a)
	w.health(a, declared.Container.Healthcheck)
	return w.address(a)
}

// plain is an app with one container, which publishes its port itself.
func (w *writer) plain(a *App) error {
	running, ok := w.running(a.Name)
	if !ok {
		return &QuestionError{
			fmt.Sprintf("%s has no running container in the project %s, so there is nothing to take over", a.Name, w.project.Name),
			"start it, or name the project with --project",
		}
	}
	if n := len(slices.DeleteFunc(w.containers(a.Name), func(c Container) bool { return !c.Running })); n > 1 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d containers of it run; only %s is taken over, stop the others when Teal's serve", n, running.Name))
	}
	a.Colour, a.Container = spec.Blue, running
	a.Why = "it is the only one"
	for _, p := range running.Ports {
		if !slices.Contains(a.Taken, Port{Host: p.Host, Inside: p.Inside}) {
			a.Taken = append(a.Taken, Port{Host: p.Host, Inside: p.Inside})
		}
	}
	return nil
}

// ports finds the port inside, and those of the host for each colour.
func (w *writer) ports(a *App) error {
	service := a.Name
	if a.Pair != nil {
		service = a.Pair.Of(a.Colour)
	}
	one := w.side(service)
	inside := slices.Compact(slices.Sorted(slices.Values(one.inside)))
	switch {
	case len(inside) == 1:
		a.Port = inside[0]
	case len(inside) == 0:
		return &QuestionError{service + " publishes no port, so it is not known which one it listens on", "write ports: [\"8080\"] into its service first"}
	default:
		for _, p := range a.Proxied { // several: the one that nginx uses
			for _, t := range p.Targets {
				if n := one.insideOf(t.Address); one.at(t.Address) && n != 0 {
					a.Port = n
				}
			}
		}
		if a.Port == 0 {
			return &QuestionError{fmt.Sprintf("%s has several ports, %v, and it is not known which one is routed", service, inside), "--nginx FILE that names one of them, or leave only that one under ports"}
		}
		a.Notes = append(a.Notes, fmt.Sprintf("only port %d is routed; its other ports %v are not published any more", a.Port, slices.DeleteFunc(inside, func(n int) bool { return n == a.Port })))
	}
	a.Publish = w.published(a)
	return nil
}

// published are the host's ports of both colours; nil unless each has just one.
func (w *writer) published(a *App) *spec.Publish {
	if a.Pair == nil {
		return nil
	}
	var publish spec.Publish
	for c, to := range map[spec.Colour]*spec.PortRange{spec.Blue: &publish.Blue, spec.Green: &publish.Green} {
		all := slices.Compact(slices.Sorted(slices.Values(w.side(a.Pair.Of(c)).published)))
		if len(all) != 1 {
			return nil // none, or more than one: Teal chooses
		}
		*to = spec.PortRange{From: all[0], To: all[0]}
	}
	if publish.Blue == publish.Green {
		return nil
	}
	return &publish
}

// insideOf returns the container's port that a published or own address is of.
func (s *side) insideOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	n, errPort := strconv.Atoi(port)
	if err != nil || errPort != nil {
		return 0
	}
	for _, p := range s.container.Ports {
		if p.Host == n {
			return p.Inside
		}
	}
	if slices.Contains(s.inside, n) {
		return n
	}
	return 0
}

// place names the app's hosts, if there are several to choose from.
func (w *writer) place(a *App) {
	if len(w.site.Hosts) == 0 {
		return
	}
	a.Hosts = []string{a.Container.Host}
	services := []string{a.Name}
	if a.Pair != nil {
		services = []string{a.Pair.Blue, a.Pair.Green}
	}
	for _, h := range w.site.Hosts {
		for _, s := range services {
			for _, c := range w.containers(s) {
				if c.Host == h.Name && !slices.Contains(a.Hosts, h.Name) {
					a.Hosts = append(a.Hosts, h.Name)
					a.Notes = append(a.Notes, fmt.Sprintf("%s on %s is not taken over: one container can be; stop it when Teal's serve", c.Name, c.Host))
				}
			}
		}
	}
}

// route takes host and path from nginx.
func (w *writer) route(a *App) {
	var hosts, paths []string
	for _, p := range a.Proxied {
		for _, n := range p.Names {
			if isHost(n) {
				hosts = append(hosts, strings.ToLower(n))
			}
		}
		path := p.Path
		if path != "/" {
			path = strings.TrimRight(path, "/")
		}
		paths = append(paths, path)
		if p.Rewrite {
			w.left(p, "nginx changes the path here (proxy_pass "+p.Pass+"); Teal passes it on as it came", "keep that location, or let the app expect the whole path")
		}
	}
	hosts, paths = set(hosts), set(paths)
	if len(hosts) == 1 {
		a.Route.Host = hosts[0]
	} else if len(hosts) > 1 {
		a.Notes = append(a.Notes, "several host names lead to it ("+strings.Join(hosts, ", ")+"): the route takes every host; write route.host if only one is meant")
	}
	switch {
	case len(paths) == 1 && paths[0] == "":
		w.left(a.Proxied[0], "the location is not a prefix, so the route takes every path", "write route.path if only one is meant")
	case len(paths) == 1 && paths[0] != "/":
		a.Route.Path = paths[0]
	case len(paths) > 1:
		a.Notes = append(a.Notes, "several locations lead to it ("+strings.Join(paths, ", ")+"): the route takes every path")
	}
}

// isHost reports whether a server_name is one host's: no pattern, no address.
func isHost(n string) bool {
	letters := strings.Trim(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == ""
	return letters && n != "" && n != "localhost" && net.ParseIP(n) == nil
}

func set(texts []string) []string { return slices.Compact(slices.Sorted(slices.Values(texts))) }

// left notes what is not carried over from nginx.
func (w *writer) left(p Proxied, message, hint string) {
	w.out.Left = append(w.out.Left, spec.Problem{File: p.File, Line: p.Line, Key: "proxy_pass", Message: message, Hint: hint})
}

// health takes the path to probe from the operator or the healthcheck.
func (w *writer) health(a *App, h *spec.Healthcheck) {
	a.Health = w.choice.Health
	if a.Health != "" {
		return
	}
	if h == nil || len(h.Test) == 0 || h.Test[0] == "NONE" {
		a.Notes = append(a.Notes, "it has no healthcheck: any answer below 500 to GET / counts as healthy; name a better path with --health /PATH")
		return
	}
	for word := range strings.FieldsFuncSeq(strings.Join(h.Test[1:], " "), func(r rune) bool { return strings.ContainsRune(" '\"|;&()", r) }) {
		u, err := url.Parse(word)
		if err != nil || u.Scheme != "http" || (u.Port() != strconv.Itoa(a.Port) && (u.Port() != "" || a.Port != 80)) {
			continue
		}
		a.Health = cmp.Or(u.RequestURI(), "/")
		return
	}
}

// address finds where the proxy reaches the container that serves.
func (w *writer) address(a *App) error {
	c := a.Container
	a.Adopted = spec.Adopted{Colour: a.Colour, Container: c.Name, Host: c.Host}
	i := slices.IndexFunc(w.site.Hosts, func(h Host) bool { return h.Name == c.Host })
	published := slices.IndexFunc(c.Ports, func(p Port) bool { return p.Inside == a.Port })
	service := a.Name
	if a.Pair != nil {
		service = a.Pair.Of(a.Colour)
	}
	fromNginx := w.usedBy(a, w.side(service))
	switch {
	case i >= 0 && w.site.Hosts[i].Address != "" && published >= 0:
		a.Adopted.Address = net.JoinHostPort(w.site.Hosts[i].Address, strconv.Itoa(c.Ports[published].Host))
	case i >= 0 && w.site.Hosts[i].Address != "":
		return &QuestionError{fmt.Sprintf("%s publishes no port, so the proxy does not reach it from another host", c.Name), "publish its port first"}
	case a.Pair != nil && fromNginx != "":
		a.Adopted.Address = fromNginx // nginx reaches it there, so it is reached
	case a.Pair != nil && published >= 0:
		host := c.Ports[published].HostIP
		if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		a.Adopted.Address = net.JoinHostPort(host, strconv.Itoa(c.Ports[published].Host))
	case len(c.Addresses) > 0:
		a.Adopted.Address = net.JoinHostPort(c.Addresses[0], strconv.Itoa(a.Port))
	default:
		return &QuestionError{fmt.Sprintf("%s has neither a published port nor an address of its own", c.Name), "publish its port, or put it on a bridge network first"}
	}
	return nil
}

// usedBy returns the address, not a name, at which nginx reaches the side.
func (w *writer) usedBy(a *App, s *side) string {
	for _, p := range a.Proxied {
		for _, t := range p.Targets {
			host, port, err := net.SplitHostPort(t.Address)
			if err != nil || !s.at(t.Address) {
				continue
			}
			if host == "localhost" {
				host = "127.0.0.1"
			}
			if net.ParseIP(host) != nil {
				return net.JoinHostPort(host, port)
			}
		}
	}
	return ""
}

// dependencies finds the containers of the other services.
func (w *writer) dependencies() {
	for _, s := range w.project.Services {
		name := s.Name.Service
		if slices.ContainsFunc(w.out.Apps, func(a App) bool { return a.has(name) }) || w.page.service(name) == nil {
			continue
		}
		d := Dependency{Name: name}
		if c, ok := w.running(name); ok && s.Replicas == 1 && !s.Job {
			d.Container, d.Host = c.Name, c.Host
		}
		w.out.Dependencies = append(w.out.Dependencies, d)
	}
}

// has reports whether a service of today is part of the app.
func (a App) has(service string) bool {
	if a.Pair == nil {
		return a.Name == service
	}
	return a.Pair.Blue == service || a.Pair.Green == service
}
