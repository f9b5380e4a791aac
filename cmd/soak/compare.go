package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// compare holds a world at rest against the wish: what answers, what runs, what
// Teal says, and that nothing is left over.
func (s *soaker) compare(ctx context.Context, v *view) {
	s.strangersUntouched(ctx)
	known := map[string]bool{}
	for _, a := range all(s.projects) {
		known[a.name.String()] = !a.absent
		if a.absent {
			continue
		}
		versions, err := s.answers(ctx, a)
		s.mu.Lock()
		if err != nil {
			s.find("L3", "%s does not answer at rest: %v", a.name, err)
		} else {
			s.compareApp(a, v, versions)
		}
		s.mu.Unlock()
	}
	for _, p := range s.projects {
		known[p.name+"/cache"] = true
	}
	s.leftovers(v, known)
}

// compareApp holds one app against its wish and narrows the ledger.
func (s *soaker) compareApp(a *app, v *view, versions []string) {
	s.hear(a)
	st := v.status[a.name]
	staged := st.Phase == reconcile.Staged
	if len(versions) != 1 {
		s.find("L3", "%s is answered by %s at rest", a.name, strings.Join(versions, " and "))
		return
	}
	served := versions[0]
	if why := a.judge(served); why != "" {
		s.find("version", "%s at rest: %s", a.name, why)
	}
	held := "nothing"
	if st.Hold != nil {
		held = string(st.Hold.Reason)
	}
	switch {
	case !a.sure:
	case a.quality != good:
		if st.Hold == nil || !slices.Contains(reasons[a.quality], st.Hold.Reason) {
			s.find("L2", "%s wants %s, which is broken, and holds %s: %s", a.name, a.version, held, st.Synced.Message)
		}
	case !a.gated() && (served != a.version || !st.Synced.OK):
		s.find("L4", "%s wants %s, and at rest %s serves (held: %s; synced: %s)", a.name, a.version, served, held, st.Synced.Message)
	case a.manual && served != a.version && !staged && a.active == spec.ActiveAuto:
		s.find("L4", "%s wants %s behind its gate, and it is not staged (held: %s; synced: %s)", a.name, a.version, held, st.Synced.Message)
	}
	s.compareContainers(a, v, st)
	if b := live(v.table, a.name); b != nil {
		pinned := a.active != spec.ActiveAuto && string(b.Colour) != string(a.active)
		if pinned && a.sure && a.quality == good && st.Hold == nil {
			s.find("L4", "%s pins %s, and %s serves", a.name, a.active, b.Colour)
		}
	}
	a.settled(served, a.version, staged)
	a.flipped = a.active != spec.ActiveAuto && (served != a.version && !staged)
	a.mostReplicas, a.handled = a.replicas, false
	for _, c := range st.Colours {
		a.mostReplicas = max(a.mostReplicas, v.count(a.name, c.Colour, c.Revision)) // a standby may have more
	}
	a.edited = time.Time{}
	for id := range s.touched {
		if _, there := v.facts[id]; !there {
			delete(s.touched, id)
		}
	}
}

// reasons are why a broken version may be held.
var reasons = map[quality][]reconcile.Reason{
	unhealthy: {reconcile.ReasonUnhealthy, reconcile.ReasonStartTimeout},
	crashing:  {reconcile.ReasonCrashLoop, reconcile.ReasonExited, reconcile.ReasonUnhealthy},
	missing:   {reconcile.ReasonImageNotFound},
	failing:   {reconcile.ReasonTestFailed},
}

// compareContainers: exactly the replicas of what serves, all running, and at
// most one other revision, which Teal can name a role for.
func (s *soaker) compareContainers(a *app, v *view, st reconcile.Status) {
	roles := map[string]string{}
	wanted := 0
	for _, c := range st.Colours {
		roles[string(c.Colour)+" "+c.Revision] = c.Role
		if c.Weight == 100 {
			wanted = c.Replicas
		}
	}
	b := live(v.table, a.name)
	serving := 0
	for _, c := range v.containers {
		f, ours := v.facts[c.ID]
		if !ours || f.Name != a.name {
			continue
		}
		role := roles[string(f.Colour)+" "+f.Revision]
		switch {
		case f.Role != spec.RoleReplica:
			s.find("L7", "%s (%s) of %s is left over", c.Name, f.Role, a.name)
		case role == "":
			s.find("L7", "%s (%s) is left over: Teal has no role for it", c.Name, c.State)
		case c.State != "running" && role == "standby" && s.touched[c.ID]:
		case c.State != "running":
			s.find("L4", "%s is %s at rest", c.Name, c.State)
		case b != nil && b.Colour == f.Colour && b.Revision == f.Revision:
			serving++
		}
		if want := spec.ContainerName(f.Name, f.Colour, f.Revision, f.Replica); c.Name != want && f.Role == spec.RoleReplica && !s.touched[c.ID] {
			s.find("name", "%s carries the labels of %s", c.Name, want)
		}
	}
	if b != nil && (serving != wanted || len(b.Targets) != wanted) {
		s.find("L4", "%s serves with %d containers and %d targets, wanted %d", a.name, serving, len(b.Targets), wanted)
	}
	if b != nil && a.sure && a.quality == good && st.Hold == nil && wanted != a.replicas && st.Phase == reconcile.Idle {
		s.find("L4", "%s wants %d replicas, Teal says %d", a.name, a.replicas, wanted)
	}
}

// leftovers: no route and no container without an app in a file.
func (s *soaker) leftovers(v *view, known map[string]bool) {
	for _, c := range v.containers {
		if f, ours := v.facts[c.ID]; ours && f.Role != spec.RoleProxy && !known[f.Name.String()] {
			s.find("L7", "%s is left over: no file names %s", c.Name, f.Name)
		}
	}
	if v.table == nil {
		return
	}
	for _, r := range v.table.Routes {
		if !known[r.App.String()] {
			s.find("L7", "the route of %s is left over", r.App)
		}
	}
}

// strangersUntouched: S12.
func (s *soaker) strangersUntouched(ctx context.Context) {
	s.mu.Lock()
	strangers := maps.Clone(s.strangers)
	s.mu.Unlock()
	for id, since := range strangers {
		now, err := s.stage.bench.Since(ctx, id)
		if err != nil || now != since {
			s.find("S12", "the stranger %.12s was running since %s, and now it is %q (%v)", id, since, now, err)
		}
	}
}

// answers asks a a few times, and returns the versions that answered.
func (s *soaker) answers(ctx context.Context, a *app) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	seen := map[string]bool{}
	for range 4 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/", s.stage.host.Address, listenPort), nil)
		if err != nil {
			return nil, err
		}
		req.Host = a.host()
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if closed := res.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answered %s", res.Status)
		}
		seen[res.Header.Get("Version")] = true
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// nothingLeft looks at the engine after teal down.
func (s *soaker) nothingLeft(ctx context.Context) error {
	list, err := s.stage.bench.All(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Labels[spec.LabelController] == controllerID && s.strangers[c.ID] == "" {
			s.find("down", "%s (%s) is left after teal down", c.Name, c.State)
		}
	}
	s.strangersUntouched(ctx)
	return nil
}

// inspectNetwork is what the engine says of the network of all apps.
func (s *soaker) inspectNetwork(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "docker", "-H", s.stage.host.URL(), "network", "inspect", "teal-ingress").CombinedOutput()
	return orError(string(out), err)
}
