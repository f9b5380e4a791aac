package embedded

import (
	"math"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal/reconcile"
	"teal/spec"
)

func TestQuantilesAreNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(int64(2*time.Microsecond), int64(15*time.Minute)).Draw(t, "duration"))
		var h histogram
		h.observe(d)
		got := h.quantiles(0.5)[0]
		if off := math.Abs(got-d.Seconds()) / d.Seconds(); off > 0.063 {
			t.Errorf("%v is read as %v s: off by %.1f %%", d, got, 100*off)
		}
	})
	var h histogram
	for i := range 1000 {
		h.observe(time.Duration(i+1) * time.Millisecond)
	}
	h.observe(-1)
	h.observe(time.Hour)
	q := h.quantiles(0.5, 0.95, 0.99)
	for i, want := range []float64{0.5, 0.95, 0.99} {
		if math.Abs(q[i]-want) > 0.07*want {
			t.Errorf("quantile %v is %v s", want, q[i])
		}
	}
	if q := new(histogram).quantiles(0.5); q[0] != 0 {
		t.Errorf("without observations: %v", q)
	}
}

func TestKeepAliveHint(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"timeout=5": 4 * time.Second, "timeout=5, max=100": 4 * time.Second, "max=1, Timeout=2": time.Second,
		"timeout=1": 0, "timeout=0": 0, "timeout=x": noHint, "": noHint, "timeout=-3": noHint, "timeout=99999999": 3599 * time.Second,
	} {
		c := &conn{keep: noHint}
		if c.hint(http.Header{"Keep-Alive": {value}}); c.keep != want {
			t.Errorf("%q: kept for %v, want %v", value, c.keep, want)
		}
	}
}

func TestKeptConnectionMustBeFit(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		idle, keep time.Duration
		fit        fitness
		want       bool
	}{
		"safe, 30 s old":                   {30 * time.Second, noHint, anyKept, true},
		"safe, over the limit":             {61 * time.Second, noHint, anyKept, false},
		"safe, over the target's limit":    {5 * time.Second, 4 * time.Second, anyKept, false},
		"not safe, just used":              {900 * time.Millisecond, noHint, justUsed, true},
		"not safe, a second old":           {time.Second, noHint, justUsed, false},
		"not safe, over the target's word": {600 * time.Millisecond, 500 * time.Millisecond, justUsed, false},
	} {
		kept := &conn{idleSince: now.Add(-c.idle), keep: c.keep}
		if got := kept.youngEnough(c.fit, time.Minute, now); got != c.want {
			t.Errorf("%s: fit is %v", name, got)
		}
	}
}

// After a switch was made and nothing was seen in flight, no request may still
// come in under the old table.
func TestNoRequestSlipsPastASwitch(t *testing.T) {
	reg := testRegistry()
	colours := []spec.Colour{spec.Blue, spec.Green}
	tables := make([]*live, 2)
	for i, c := range colours {
		r := simpleRoute("web", "*", "/")
		r.Backends = []reconcile.Backend{
			{Colour: c, Revision: "r", Weight: 100},
			{Colour: c.Other(), Revision: "r", Weight: 0},
		}
		tables[i] = compile(reconcile.Table{Seq: 1, Routes: []reconcile.Route{r}}, reg)
	}
	var serving atomic.Pointer[live]
	serving.Store(tables[0])
	var dead [2]atomic.Bool // a colour whose container has been stopped
	index := map[spec.Colour]int{spec.Blue: 0, spec.Green: 1}
	var all sync.WaitGroup
	var quit atomic.Bool
	var served, slipped atomic.Int64
	for range 4 {
		all.Go(func() {
			for !quit.Load() {
				l := serving.Load()
				rt, _ := l.match("h", "/")
				up := rt.choose().up
				if !up.enter(&serving, l) {
					continue
				}
				if dead[index[up.colour]].Load() {
					slipped.Add(1)
				}
				served.Add(1)
				up.leave()
			}
		})
	}
	for served.Load() == 0 {
		runtime.Gosched() // a busy machine may not have begun yet
	}
	for i := range 3000 {
		fresh, old := (i+1)%2, i%2
		dead[fresh].Store(false)
		serving.Store(tables[fresh])
		up := reg.upstream(key{app: spec.Name{Project: "p", Service: "web"}, colour: colours[old], revision: "r"})
		for up.traffic().InFlight > 0 {
		}
		dead[old].Store(true)
	}
	quit.Store(true)
	all.Wait()
	if slipped.Load() > 0 || served.Load() == 0 {
		t.Errorf("%d of %d requests came to a stopped colour", slipped.Load(), served.Load())
	}
}

func TestUpstreamsAreForgottenLongAfterTheyDrained(t *testing.T) {
	p := &Proxy{registry: testRegistry()}
	p.serve(numbered(1))
	p.serve(reconcile.Table{Seq: 2})
	up := p.registry.all()[0]
	now := time.Now()
	up.inFlight.Store(1)
	p.registry.sweep(now.Add(time.Hour))
	if len(p.registry.all()) != 1 {
		t.Fatal("an upstream with a request in flight was forgotten")
	}
	up.inFlight.Store(0)
	p.registry.sweep(now)
	p.registry.sweep(now.Add(remembered - time.Second))
	if len(p.snapshot().Traffic) != 1 {
		t.Error("the counts were forgotten too early")
	}
	p.registry.sweep(now.Add(remembered))
	if len(p.snapshot().Traffic) != 0 {
		t.Error("the counts were never forgotten")
	}
}

func TestUnchangedTargetsKeepTheirConnections(t *testing.T) {
	p := &Proxy{registry: testRegistry()}
	table := numbered(1)
	table.Routes[0].Backends[0].Targets = []string{"127.0.0.1:1", "127.0.0.1:2"}
	p.serve(table)
	before := p.serving.Load().wild[0].route.backends[0]
	table = numbered(2)
	table.Routes[0].Backends[0].Targets = []string{"127.0.0.1:2", "127.0.0.1:3"}
	table.Routes[0].Preview.Token = "x"
	p.serve(table)
	after := p.serving.Load().wild[0].route.backends[0]
	if after.up != before.up || after.targets[0] != before.targets[1] {
		t.Error("a target that stayed was made anew")
	}
	if !before.targets[0].gone || before.targets[1].gone {
		t.Error("the wrong target was retired")
	}
}
