package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/spec"
)

// quality is how a version turns out when it is tried.
type quality string

const (
	good      quality = "good"
	unhealthy quality = "unhealthy" // its health check fails until the deadline
	crashing  quality = "crashing"  // exits at once
	missing   quality = "missing"   // no such image
	failing   quality = "failing"   // its one-shot test fails
)

// app is one app as the author of the files has it, and what the soak knows of it.
type app struct {
	name spec.Name

	// What its file says.
	image, version    string
	quality           quality
	replicas, extra   int
	retry             int
	active            spec.Active
	manual, test      bool
	depends           bool
	standby, drain    string
	bake              string
	absent, comesGoes bool
	pins              bool // its active colour is edited, too

	ledger
	flipped      bool      // active was edited since everything settled: what is gated is not known
	handled      bool      // a hand was laid on a container of it since everything settled
	changed      time.Time // its wish, last, or a word about it
	mostReplicas int
	edited       time.Time // when version was wished for; zero: its first answer was seen
	versions     int
	excuses      []window
	client       *client
	observed     int64 // highest generation that was dealt with
}

// shape gives the n-th app its settings, so that many kinds stand side by side.
func shape(n int, project string) *app {
	a := &app{
		name:  spec.Name{Project: project, Service: fmt.Sprintf("app%d", n)},
		image: "soak:a", quality: good, replicas: 1 + n%3%2, active: spec.ActiveAuto,
		standby: []string{"20s", "0s", "1m", "5s", "forever"}[n%5],
		drain:   []string{"10s", "5s", "20s"}[n%3],
		bake:    []string{"0s", "0s", "3s"}[n%3],
		manual:  n%6 == 3, test: n%7 == 5, depends: n%4 == 2, comesGoes: n%7 == 6 && n%6 != 3,
		pins: n%6 == 1,
	}
	if a.pins {
		a.active = spec.Active(spec.Blue)
	}
	a.ledger = newLedger()
	a.mostReplicas = a.replicas
	a.next(good)
	return a
}

// next wishes for a new version.
func (a *app) next(q quality) {
	a.versions++
	a.version, a.quality = fmt.Sprintf("%s-%d-%s", a.name.Service, a.versions, q), q
}

// host is what clients ask for.
func (a *app) host() string { return a.name.Service + "." + a.name.Project + ".soak" }

// gated reports that a new version waits for somebody before it gets traffic.
func (a *app) gated() bool { return a.manual || a.active != spec.ActiveAuto }

// yaml is the service in its file.
func (a *app) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	image, deadline, breaks, test := a.image, "2m", "", ""
	switch a.quality {
	case unhealthy:
		breaks, deadline = ", BREAK: unhealthy", "4s"
	case crashing:
		breaks, deadline = ", BREAK: exit", "30s"
	case missing:
		image = "soak:none"
	case failing:
		test = ", 'http://127.0.0.1:9'"
	case good:
	}
	line("  %s:", a.name.Service)
	line("    image: %s", image)
	line("    pull_policy: never")
	line("    stop_grace_period: 5s")
	line("    environment: {VERSION: %s, EXTRA: '%d'%s}", a.version, a.extra, breaks)
	line("    deploy: {replicas: %d}", a.replicas)
	if a.depends {
		line("    depends_on: [cache]")
	}
	line("    x-teal:")
	line("      active: %s", a.active)
	if a.manual {
		line("      promotion: manual")
	}
	line("      route: {host: %s, port: 8080}", a.host())
	line("      health: {http: /health, deadline: %s}", deadline)
	if a.test || a.quality == failing {
		line("      test: {command: [/app, smoke%s]}", test)
	}
	line("      drain: %s", a.drain)
	line("      bake: %s", a.bake)
	line("      standby: %s", a.standby)
	line("      retry: 'r%d'", a.retry)
	return b.String()
}

// project is one Compose file.
type project struct {
	name    string
	watched bool // by the controller; the others are sent with teal apply
	apps    []*app
	cache   int // counts changes of the dependency
}

// yaml is the whole file. cache is a dependency: the same program, not routed.
func (p *project) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nservices:\n  cache:\n    image: soak:a\n    pull_policy: never\n    environment: {CACHE: '%d'}\n", p.name, p.cache)
	for _, a := range p.apps {
		if !a.absent {
			b.WriteString(a.yaml())
		}
	}
	return b.String()
}

// projects shares n apps out among four files.
func projects(n int) []*project {
	var out []*project
	for i, name := range []string{"shop", "blog", "lab", "desk"} {
		out = append(out, &project{name: name, watched: i == 0})
	}
	for i := range n {
		p := out[i%len(out)]
		p.apps = append(p.apps, shape(i, p.name))
	}
	return out
}

// all are the apps of all projects.
func all(of []*project) []*app {
	var out []*app
	for _, p := range of {
		out = append(out, p.apps...)
	}
	slices.SortFunc(out, func(a, b *app) int { return strings.Compare(a.name.String(), b.name.String()) })
	return out
}
