package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// world has one container per filled slot; a slot's address never changes, as
// with the fixed addresses of the ingress network.
func (n node) world() World {
	w := World{Served: Served{Known: true}}
	for col := range int8(2) {
		for host := range n.hosts {
			if s := n.sl[col][host]; s.ver != 0 && (host == 0 || n.away != 2) {
				w.Containers = append(w.Containers, n.container(s, col, host))
			}
		}
	}
	if n.away != 0 {
		w.Away = []AwayHost{{Host: hostNames[1], Words: "no route to host"}}
	}
	if n.route >= 0 {
		w.Served.Route = &Route{App: app, Host: "*", Path: "/", Backends: []Backend{{
			Colour: colours[n.route], Revision: revisions[n.routeVer].ID, Weight: 100, Targets: addresses(n.route, n.targets),
		}}}
		if n.pvVer > 0 {
			w.Served.Route.preview(Backend{Colour: colours[1-n.route], Revision: revisions[n.pvVer].ID, Targets: addresses(1-n.route, n.pvTargets)})
		}
	}
	if n.failing && n.cCol >= 0 {
		w.Served.Traffic = []Traffic{{Colour: colours[n.cCol], Revision: revisions[n.cVer].ID, Requests: 100, Failures: 100}}
	}
	return w
}

func (r *Route) preview(b Backend) {
	r.Preview.Colour = b.Colour
	r.Backends = append(r.Backends, b)
	slices.SortFunc(r.Backends, func(a, b Backend) int { return strings.Compare(string(a.Colour), string(b.Colour)) })
}

func address(col, host int8) string { return fmt.Sprintf("10.0.%d.%d:%d", host, col+2, port) }

func addresses(col, hosts int8) (out []string) {
	for host := range int8(2) {
		if hosts&(1<<host) != 0 {
			out = append(out, address(col, host))
		}
	}
	return out
}

// id is the id of what is on a colour of a host, and spot tells it back.
func id(col, host int8) string { return string(colours[col]) + "@" + hostNames[host] }

func spot(of string) (col, host int8) {
	for col := range int8(2) {
		for host := range int8(2) {
			if of == id(col, host) {
				return col, host
			}
		}
	}
	panic(of)
}

func (n node) container(s slot, col, host int8) Container {
	c := Container{
		ID: id(col, host), Name: id(col, host), Colour: colours[col], Replica: int(host) + 1, Foreign: s.ver == foreign,
		Revision: revisions[s.ver].ID, State: Running, StartedAt: clock.Add(-time.Minute), Address: address(col, host),
	}
	if n.hosts == 2 {
		c.Host, c.Lost = hostNames[host], host == 1 && n.away != 0
	}
	switch s.health {
	case hEnded:
		c.State = Exited
	case hHealthy:
		c.Probe = Probe{Attempts: 9, Successes: 9, Since: clock.Add(-time.Minute)}
	case hBad:
		c.Probe = Probe{Attempts: 9, Failures: 9}
		if !c.Lost { // else it is as it was last seen
			c.State, c.Restarts = Restarting, 5
		}
	}
	return c
}

// perform applies a step to the world, as if it went well.
func (n node) perform(s Step) node {
	switch s.Kind {
	case StepEnsure:
		_, col := place(&Placement{Colour: s.Ensure.Colour})
		host := max(int8(slices.Index(hostNames, s.Ensure.Host)), 0)
		n.sl[col][host] = slot{versionOf[s.Ensure.Revision.ID], hStarting}
	case StepRemove:
		col, host := spot(s.Container)
		n.sl[col][host] = slot{}
	case StepStop:
		col, host := spot(s.Container)
		n.sl[col][host].health = hEnded
	case StepRoute:
		n.pvVer, n.pvTargets = 0, 0
		for _, b := range s.Route.Backends {
			ver, col := place(&Placement{Colour: b.Colour, Revision: Revision{ID: b.Revision}})
			if b.Weight == 0 {
				n.pvVer, n.pvTargets = ver, hostsOf(col, b.Targets)
			}
			if b.Weight == 100 {
				n.routeVer, n.route, n.targets = ver, col, hostsOf(col, b.Targets)
			}
		}
	case StepUnroute:
		n.route, n.routeVer, n.targets, n.pvVer, n.pvTargets = -1, 0, 0, 0, 0
	case StepResolve, StepPull, StepEvidence, StepTest:
	}
	return n
}

// hostsOf is the sum that stands for targets of a colour.
func hostsOf(col int8, targets []string) (sum int8) {
	for host := range int8(2) {
		if slices.Contains(targets, address(col, host)) {
			sum |= 1 << host
		}
	}
	return sum
}
