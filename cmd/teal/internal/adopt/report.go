package adopt

import (
	"fmt"
	"strings"
)

// Next is what an operator is told to do with what was written.
type Next struct {
	File  string // that was written
	Again string // the command that was typed, without the program: "adopt -f docker-compose.yml"
	Run   string // flags of teal run for the hosts and the proxy
	// Switch is how nginx is led through Teal; without an Nginx it is not known.
	Switch Switch
	// Here: nginx's files are this host's, so that Teal can edit them.
	Here   bool
	Reload string // the command that tests and reloads nginx
}

// Report tells what was found, what is not carried over and what to do next.
func Report(r Result, n Next) string {
	var b strings.Builder
	for _, a := range r.Apps {
		a.report(&b, r.Project)
	}
	for _, d := range r.Dependencies {
		words := "has no running container; Teal makes one"
		if d.Container != "" {
			words = "goes on in container " + d.Container
		}
		fmt.Fprintf(&b, "%s/%s  %s\n", r.Project, d.Name, words)
	}
	if n.Switch.Nginx != nil && len(n.Switch.Nginx.Unread) > 0 {
		list(&b, "of nginx's configuration, this was not understood:", n.Switch.Nginx.Unread)
	}
	list(&b, "not carried over (kept as comments, or left as it is):", lines(r.Left))
	list(&b, "Teal still refuses this; correct it in "+n.File+":", lines(r.Wrong))
	list(&b, "next:", n.steps(r))
	return b.String()
}

func (a App) report(b *strings.Builder, project string) {
	fmt.Fprintf(b, "%s/%s  %s serves: %s\n", project, a.Name, a.service(), a.Why)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	at := a.Adopted.Address
	if a.Adopted.Host != "" {
		at += " on " + a.Adopted.Host
	}
	row("taken over", "container %s as %s, reached at %s", a.Container.Name, a.Colour, at)
	row("image", "%s", a.Image)
	host, path := a.Route.Host, a.Route.Path
	if host == "" {
		host = "every host"
	}
	if path == "" {
		path = "/"
	}
	row("route", "%s, path %s → port %d", host, path, a.Port)
	if a.Health != "" {
		row("health", "GET %s", a.Health)
	}
	if a.Publish != nil {
		row("ports", "blue %s, green %s, where the proxy is on another host", a.Publish.Blue, a.Publish.Green)
	}
	for _, note := range a.Notes {
		row("note", "%s", note)
	}
}

func lines[E ~[]P, P error](problems E) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Error())
	}
	return out
}

func list(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, item := range items {
		fmt.Fprintf(b, "  %s\n", item)
	}
}

// steps are what to do, in order.
func (n Next) steps(r Result) []string {
	var out []string
	number := 0
	step := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if !strings.HasPrefix(text, " ") { // else it goes on
			number++
			text = fmt.Sprintf("%d. %s", number, text)
		}
		out = append(out, text)
	}
	step("look at %s; the old file stays as it is, it is the way back", n.File)
	run := strings.TrimSpace("teal run -f " + n.File + " " + n.Run)
	plain := r.Apps[0].Pair == nil
	switch {
	case plain:
		n.handOver(r, step, run)
	case n.Switch.Nginx == nil:
		step("%s --http 127.0.0.1:8000", run)
		step("%s, then let your nginx send the requests to 127.0.0.1:8000 (with --nginx FILE this says which line that is)", staged(r))
		promote(r, step)
	default:
		n.throughNginx(r, step, run)
	}
	if len(r.Apps) > 0 {
		step("take the lines promotion: manual out of %s; from now on a new version is a new image in it", n.File)
	}
	return out
}

// throughNginx leads an nginx that is there already through Teal's files.
func (n Next) throughNginx(r Result, step func(string, ...any), run string) {
	again := ""
	if n.Here {
		again = "; or: teal " + n.Again + " --edit-nginx"
	}
	if !n.Switch.HasMain() {
		step("make the folder %s with an empty file %s, and write at the beginning of the http block of %s: %s%s", n.Switch.Folder, n.Switch.Main,
			n.Switch.Nginx.HTTPFile, n.Switch.IncludeLine(n.Switch.Main), again)
	}
	step("%s", run)
	step("%s, then change nginx%s:", staged(r), again)
	for _, a := range n.Switch.Apps {
		for _, p := range a.Proxied {
			step("   %s: write  %s  in place of  proxy_pass %s;", p.Place(), n.Switch.IncludeLine(a.Include), p.Pass)
		}
		if len(a.Proxied) == 0 {
			step("   in the location of %s: write  %s  in place of its proxy_pass", a.Name, n.Switch.IncludeLine(a.Include))
		}
	}
	step("   %s   (done already by --edit-nginx)", n.Reload)
	promote(r, step)
}

// handOver lets the proxy take a port that the container has now.
func (n Next) handOver(r Result, step func(string, ...any), run string) {
	a := r.Apps[0]
	listen := ":80"
	if len(a.Taken) > 0 {
		listen = fmt.Sprintf(":%d", a.Taken[0].Host)
	}
	step("%s --http %s --await-ports   (the proxy waits for the port, which %s has)", run, listen, a.Container.Name)
	step("%s", staged(r))
	promote(r, step)
	step("teal adopt --hand-over %s -f %s   stops %s, and the proxy takes the port at once;", a.Name, n.File, a.Container.Name)
	step("   connections fail between the two, which cannot be avoided: it says for how long")
}

func staged(r Result) string {
	return fmt.Sprintf("wait until teal status %s/%s says Staged: the new containers are verified", r.Project, r.Apps[0].Name)
}

func promote(r Result, step func(string, ...any)) {
	for _, a := range r.Apps {
		step("teal promote %s/%s   moves the requests to Teal's own container", r.Project, a.Name)
	}
}
