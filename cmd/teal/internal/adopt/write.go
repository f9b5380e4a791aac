package adopt

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// notCarried begins the comment above a key that was not carried over.
const notCarried = "not carried over: "

// edit makes the text.
func (w *writer) edit(ctx context.Context) error {
	here, err := w.unfold(ctx)
	if err != nil {
		return err
	}
	w.refused(here)
	for i := range w.out.Apps {
		if err := w.app(&w.out.Apps[i]); err != nil {
			return err
		}
	}
	for _, d := range w.out.Dependencies {
		w.dependency(d)
	}
	if err := w.dependOn(); err != nil {
		return err
	}
	w.title()
	w.out.Text = w.page.text()
	return nil
}

// app turns a pair, or a plain service, into the app.
func (w *writer) app(a *App) error {
	base := w.page.service(a.Name)
	if a.Pair != nil {
		kept, other := w.page.service(a.Pair.Of(a.Colour)), w.page.service(a.Pair.Of(a.Colour.Other()))
		base = kept
		if w.leans(kept, other) {
			if err := w.overlay(other, kept); err != nil {
				return err
			}
			base, other = other, kept
		}
		w.page.drop(other)
		w.page.rename(base, a.Name)
	}
	if named(w.page.keys(base), "x-teal") != nil {
		return &QuestionError{fmt.Sprintf("%s already has a block x-teal", base.key.Value), "it is written for Teal already: teal run -f " + w.file()}
	}
	for _, e := range w.page.keys(base) {
		switch {
		case slices.Contains([]string{"ports", "container_name", "profiles"}, e.key.Value):
			w.page.drop(e)
		case e.key.Value == "restart" && e.value.Value == "no":
			w.page.drop(e)
			a.Notes = append(a.Notes, "restart: no is left out: an app must come back after a crash, also when Teal is not running")
		}
	}
	lines := a.block()
	if declared, _ := w.service(a.service()); declared.Container.Image == "" {
		lines = append([]string{"image: " + quoted(a.Image)}, lines...)
		a.Notes = append(a.Notes, "the file names no image: that of "+a.Container.Name+" is written; push it to a registry for the next versions")
	}
	w.page.add(base, lines...)
	return nil
}

// service is the one of today that serves.
func (a App) service() string {
	if a.Pair == nil {
		return a.Name
	}
	return a.Pair.Of(a.Colour)
}

// leans reports whether e takes something from other: then other has to stay.
func (w *writer) leans(e, other *entry) bool {
	anchors := map[*yaml.Node]bool{}
	each(other.value, func(n *yaml.Node) { anchors[n] = true })
	leans := false
	each(e.value, func(n *yaml.Node) { leans = leans || n.Kind == yaml.AliasNode && anchors[n.Alias] })
	if x := named(w.page.keys(e), "extends"); x != nil {
		from, file := x.value.Value, false
		for i := 0; i+1 < len(x.value.Content); i += 2 {
			switch x.value.Content[i].Value {
			case "service":
				from = x.value.Content[i+1].Value
			case "file":
				file = true
			}
		}
		leans = leans || !file && from == other.key.Value
	}
	return leans
}

func each(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, c := range n.Content {
		each(c, visit)
	}
}

// overlay writes the keys of over's own into base, which over was made from.
func (w *writer) overlay(base, over *entry) error {
	for _, e := range w.page.keys(over) {
		if slices.Contains([]string{"<<", "extends", "ports", "container_name", "profiles"}, e.key.Value) {
			continue
		}
		if own := named(w.page.keys(base), e.key.Value); own != nil {
			w.page.replace(own.from, own.to, w.page.lines[e.from:e.to]...)
			continue
		}
		lines, err := encode(e.key.Value, e.value, "")
		if err != nil {
			return err
		}
		w.page.add(base, lines...)
	}
	return nil
}

// block is what is added to the service.
func (a App) block() []string {
	route := ""
	if a.Route.Host != "" {
		route += "host: " + quoted(a.Route.Host) + ", "
	}
	if a.Route.Path != "" {
		route += "path: " + quoted(a.Route.Path) + ", "
	}
	out := []string{"x-teal:", fmt.Sprintf("  route: {%sport: %d}", route, a.Port)}
	if a.Health != "" {
		out = append(out, "  health: {http: "+quoted(a.Health)+"}")
	}
	if a.Publish != nil {
		out = append(out, fmt.Sprintf("  publish: {blue: %s, green: %s}", a.Publish.Blue, a.Publish.Green))
	}
	out = append(out,
		"  promotion: manual             # until the traffic comes through Teal; then take this line out")
	if len(a.Hosts) > 0 {
		out = append(out, "x-teal-hosts: ["+strings.Join(a.Hosts, ", ")+"]")
	}
	host := ""
	if a.Adopted.Host != "" {
		host = "host: " + quoted(a.Adopted.Host) + ", "
	}
	return append(out, "x-teal-adopt:",
		fmt.Sprintf("  %s: {container: %s, %saddress: %s}", a.Colour, quoted(a.Adopted.Container), host, quoted(a.Adopted.Address)))
}

// quoted puts a text that YAML could take for something else in quotes.
func quoted(s string) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@-") == ""
	_, err := strconv.ParseFloat(s, 64)
	if host, _, isAddress := net.SplitHostPort(s); isAddress == nil && strings.Contains(host, ":") {
		plain = false
	}
	if plain && err != nil && s != "" && !strings.HasSuffix(s, ":") && !strings.HasPrefix(s, "-") {
		return s
	}
	return strconv.Quote(s)
}

func (w *writer) dependency(d Dependency) {
	if d.Container == "" {
		return
	}
	e := w.page.service(d.Name)
	if e == nil || named(w.page.keys(e), "x-teal-adopt") != nil {
		return
	}
	var lines []string
	host := ""
	if len(w.site.Hosts) > 0 {
		lines, host = append(lines, "x-teal-hosts: "+d.Host), ", host: "+quoted(d.Host)
	}
	w.page.add(e, append(lines, "x-teal-adopt: {container: "+quoted(d.Container)+host+"}")...)
}
