package sim

import (
	"context"
	"maps"
	"slices"
	"time"

	"teal/controller/api"
	"teal/controller/fake"
	"teal/spec"
)

// images are what the registry has, and how each goes.
var images = map[string]fake.Image{
	"app:good1":    {Behaviour: fake.Behaviour{Ready: 200 * time.Millisecond}},
	"app:good2":    {Behaviour: fake.Behaviour{Ready: time.Second}, Size: 2 * time.Second},
	"app:good3":    {Behaviour: fake.Behaviour{Ready: 3 * time.Second}},
	"app:good4":    {Behaviour: fake.Behaviour{}},
	"app:slow":     {Behaviour: fake.Behaviour{Ready: 12 * time.Second}, Size: 40 * time.Second},
	"app:late":     {Behaviour: fake.Behaviour{Ready: 2 * time.Minute}},
	"app:never":    {Behaviour: fake.Behaviour{Never: true}},
	"app:crash":    {Behaviour: fake.Behaviour{Ready: time.Minute, Exits: time.Second}},
	"app:breaks":   {Behaviour: fake.Behaviour{Ready: time.Second, Breaks: 20 * time.Second}},
	"app:dies":     {Behaviour: fake.Behaviour{Ready: time.Second, Exits: 25 * time.Second}},
	"app:testfail": {Behaviour: fake.Behaviour{Ready: time.Second, Test: 3}},
	"app:missing":  {Missing: true},
	"app:denied":   {Denied: true},
}

// good are the images that become ready and stay so.
var good = []string{"app:good1", "app:good2", "app:good3", "app:good4", "app:slow"}

// wish is the desired state as its author has it.
type wish struct {
	r        *run
	services map[string]*spec.Service
	dirty    bool // not accepted yet
	prune    bool
	tokens   int
}

func newWish(r *run) *wish {
	w := &wish{r: r, services: map[string]*spec.Service{}}
	for ref, img := range images {
		img.Digest = "sha256:" + ref
		r.engine.Publish(ref, img)
	}
	for _, name := range []string{"web", "api"}[:1+r.rng.IntN(2)] {
		w.add(name)
	}
	if r.chance(2) {
		w.add("db")
	}
	w.dirty = true
	return w
}

// add puts a service into the file.
func (w *wish) add(name string) {
	s := &spec.Service{
		Name: spec.Name{Project: "p", Service: name}, Replicas: 1, PullPolicy: spec.PullMissing,
		Container: spec.Container{Image: w.pick(good), Restart: "unless-stopped", StopGracePeriod: seconds(10)},
	}
	if name != "db" {
		s.Rollout = &spec.Rollout{
			Active: spec.ActiveAuto, Strategy: spec.BlueGreen, Promotion: spec.Promotion{Mode: spec.PromotionAuto},
			Route: spec.Route{Host: "*", Path: "/" + name, Port: 80},
			Health: spec.Health{
				Kind: spec.HealthHTTP, Path: "/", Port: 80, Statuses: []spec.StatusRange{{From: 200, To: 299}},
				Interval: spec.Duration(200 * time.Millisecond), Timeout: seconds(1), Successes: 3, Failures: 3,
				Deadline: seconds(30), Restarts: 3,
			},
			Drain: spec.Drain{Requests: seconds(20), Upgraded: seconds(20)},
		}
	}
	if s.Rollout != nil && w.r.chance(2) {
		s.Rollout.Promotion, s.Rollout.Standby, s.Rollout.Bake.For = w.promotion(), w.standby(), w.bake()
	}
	if w.r.shape != plain {
		w.settleIn(s)
	}
	w.services[name] = s
}

func seconds(n int) spec.Duration { return spec.Duration(time.Duration(n) * time.Second) }

func (w *wish) pick(from []string) string { return from[w.r.rng.IntN(len(from))] }

// some returns a service by chance, nil if there is none.
func (w *wish) some() *spec.Service {
	if len(w.services) == 0 {
		return nil
	}
	return w.services[w.pick(slices.Sorted(maps.Keys(w.services)))]
}

// edit changes the file in one place.
func (w *wish) edit() {
	w.dirty = true
	s := w.some()
	w.r.windows.edit(s)
	if s == nil || w.r.chance(25) {
		w.addOrRemove()
		return
	}
	if s.Rollout == nil || w.r.chance(2) {
		w.editImage(s)
		return
	}
	edits := []func(){
		func() { s.Replicas = 1 + w.r.rng.IntN(3) },
		func() {
			s.Rollout.Active = []spec.Active{spec.ActiveAuto, spec.ActiveBlue, spec.ActiveGreen}[w.r.rng.IntN(3)]
		},
		func() {
			s.Rollout.Active = []spec.Active{spec.ActiveAuto, spec.ActiveBlue, spec.ActiveGreen}[w.r.rng.IntN(3)]
		},
		func() { s.Rollout.Promotion = w.promotion() },
		func() { s.Rollout.Standby = w.standby() },
		func() { s.Rollout.Standby = w.standby() },
		func() { s.Rollout.Bake.For = w.bake() },
		func() { s.Rollout.Drain.Requests = seconds([]int{5, 20, 90}[w.r.rng.IntN(3)]) },
		func() { s.Rollout.Retry = w.pick([]string{"", "a", "b", "c"}) },
		func() { s.Rollout.Test = w.test() },
		func() { s.Container.Environment = map[string]string{"N": w.pick([]string{"1", "2", "3"})} },
		func() { s.DependsOn = w.dependsOn() },
		func() { s.Rollout.Route.Path = w.pick([]string{"/" + s.Name.Service, "/x/" + s.Name.Service}) },
	}
	edits[w.r.rng.IntN(len(edits))]()
}

func (w *wish) editImage(s *spec.Service) {
	all := slices.Concat(good, good, slices.Sorted(maps.Keys(images)))
	s.Container.Image = w.pick(all)
}

func (w *wish) promotion() spec.Promotion {
	return []spec.Promotion{
		{Mode: spec.PromotionAuto},
		{Mode: spec.PromotionAfter, After: seconds(45)},
		{Mode: spec.PromotionManual, Timeout: seconds(600), OnTimeout: spec.TimeoutAbort},
		{Mode: spec.PromotionManual, Timeout: seconds(600), OnTimeout: spec.TimeoutPromote},
	}[w.r.rng.IntN(4)]
}

func (w *wish) standby() spec.Standby {
	return []spec.Standby{{}, {For: seconds(20)}, {For: seconds(600)}, {Forever: true}}[w.r.rng.IntN(4)]
}

func (w *wish) bake() spec.Duration { return seconds([]int{0, 5, 60}[w.r.rng.IntN(3)]) }

func (w *wish) test() *spec.Test {
	if w.r.chance(2) {
		return nil
	}
	return &spec.Test{Command: []string{"/test"}, Timeout: seconds(60)}
}

func (w *wish) dependsOn() []spec.Dependency {
	if w.services["db"] == nil || w.r.chance(2) {
		return nil
	}
	return []spec.Dependency{{Service: "db", Condition: spec.Started}}
}

// addOrRemove takes a service out of the file, or puts it back.
func (w *wish) addOrRemove() {
	name := w.pick([]string{"web", "api", "db"})
	if w.services[name] == nil {
		w.add(name)
		return
	}
	if len(w.services) == 1 {
		return
	}
	delete(w.services, name)
	for _, s := range w.services {
		s.DependsOn = nil
	}
	w.prune = w.r.chance(2)
}

// project is the file's content now; later edits do not change it.
func (w *wish) project() spec.Project {
	p := spec.Project{Name: "p"}
	for _, name := range slices.Sorted(maps.Keys(w.services)) {
		s := *w.services[name]
		if s.Rollout != nil {
			r := *s.Rollout
			s.Rollout = &r
		}
		p.Services = append(p.Services, s)
	}
	return p
}

// offer has the file accepted, if it is not yet.
func (w *wish) offer() {
	if !w.dirty {
		return
	}
	p := w.project()
	result, err := w.r.ctl.Apply(context.Background(), api.ApplyRequest{Project: p, Prune: w.prune})
	if err != nil {
		w.r.log("apply refused: %v", err)
		return
	}
	w.dirty = false
	for _, a := range result.Apps {
		if a.Changed {
			w.r.log("accepted %s gen %d orphaned=%t pruned=%t %v", a.App, a.Generation, a.Orphaned, a.Pruned, a.Changes)
			w.r.due[a.App] = time.Now()
		}
	}
	for _, s := range p.Services {
		if s.Rollout != nil {
			w.r.book.drains(s.Name, s.Rollout.Drain.Requests.D())
		}
	}
}
