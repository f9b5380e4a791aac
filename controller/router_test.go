package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"teal/controller/fake"
	"teal/reconcile"
	"teal/spec"
)

func routeOf(app, path string) *reconcile.Route {
	return &reconcile.Route{App: named(app), Host: "*", Path: path, Backends: []reconcile.Backend{
		{Colour: spec.Blue, Revision: "r", Weight: 100, Targets: []string{"10.0.0.1:80"}},
	}}
}

func routeStep(app, path string) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepRoute, App: named(app), Route: routeOf(app, path)}
}

// wished is what apps want; an app that is not there is gone.
type wished map[string]string

func (w wished) claim(app spec.Name) (claim, error) {
	path, ok := w[app.Service]
	return claim{Wanted: ok, Host: "*", Path: path}, nil
}

func paths(p *fake.Proxy) map[string]string {
	out := map[string]string{}
	for _, r := range p.Look().Table.Routes {
		out[r.App.Service] = r.Path
	}
	return out
}

func TestRouterKeepsOtherRoutesUnderConcurrency(t *testing.T) {
	p := fake.NewProxy()
	r := newRouter(p, time.Second, wished{}.claim)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			app := fmt.Sprint("app", i)
			if out := r.change(context.Background(), routeStep(app, "/"+app)); out.Failure != nil {
				t.Errorf("%s: %v", app, out.Failure)
			}
		})
	}
	wg.Wait()
	if n := len(paths(p)); n != 20 || p.Look().Table.Seq != 20 {
		t.Errorf("%d routes, table %d; want 20 and 20", n, p.Look().Table.Seq)
	}
	before := p.Look().Table.Seq
	if out := r.change(context.Background(), routeStep("app3", "/app3")); out.Failure != nil || p.Look().Table.Seq != before {
		t.Errorf("what is served already was applied again: %v", out.Failure)
	}
	if out := r.change(context.Background(), reconcile.Step{Kind: reconcile.StepUnroute, App: named("app3")}); out.Failure != nil || len(paths(p)) != 19 {
		t.Errorf("unroute: %v, %d left", out.Failure, len(paths(p)))
	}
}

func TestRouterSwapsInOneTable(t *testing.T) {
	p := fake.NewProxy()
	w := wished{"a": "/1", "b": "/2", "c": "/3"}
	r := newRouter(p, time.Second, w.claim)
	for app, path := range w {
		r.change(context.Background(), routeStep(app, path))
	}
	w["a"], w["b"], w["c"] = "/2", "/3", "/1"
	if out := r.change(context.Background(), routeStep("a", "/2")); out.Failure != nil {
		t.Fatal(out.Failure)
	}
	if got := paths(p); fmt.Sprint(got) != fmt.Sprint(map[string]string(w)) {
		t.Errorf("served %v, want %v", got, w)
	}
}

func TestRouterTakesTheRouteOfAnAppThatIsGone(t *testing.T) {
	p := fake.NewProxy()
	w := wished{"old": "/x"}
	r := newRouter(p, time.Second, w.claim)
	r.change(context.Background(), routeStep("old", "/x"))
	w["new"] = "/x"
	if out := r.change(context.Background(), routeStep("new", "/x")); out.Failure == nil {
		t.Error("the route of an app that wants it was taken")
	}
	delete(w, "old")
	if out := r.change(context.Background(), routeStep("new", "/x")); out.Failure != nil {
		t.Error(out.Failure)
	}
	if got := paths(p); got["new"] != "/x" || len(got) != 1 {
		t.Errorf("served %v", got)
	}
}

func TestRouterBelievesOnlyTheReadBack(t *testing.T) {
	p := fake.NewProxy()
	lost := true
	p.Fault = func(c fake.Call) fake.Fault {
		if c.Name == "apply" && lost {
			return fake.AnswerLost
		}
		return fake.None
	}
	r := newRouter(p, time.Second, wished{}.claim)
	if out := r.change(context.Background(), routeStep("a", "/a")); out.Failure == nil || out.Failure.Class != reconcile.Infra {
		t.Errorf("a lost answer is %v, want a failure of the infrastructure", out.Failure)
	}
	lost = false
	if out := r.change(context.Background(), routeStep("a", "/a")); out.Failure != nil || p.Look().Table.Seq != 1 {
		t.Errorf("%v, table %d; want done, without another table", out.Failure, p.Look().Table.Seq)
	}
	p.Away(true)
	if out := r.change(context.Background(), routeStep("a", "/b")); out.Failure == nil || out.Failure.Reason != reconcile.ReasonProxyUnavailable {
		t.Errorf("away: %v", out.Failure)
	}
}

// liar says that it took a table and serves the one it had.
type liar struct{ *fake.Proxy }

func (liar) Apply(context.Context, reconcile.Table) error { return nil }

func TestRouterDoesNotBelieveAnApply(t *testing.T) {
	r := newRouter(liar{fake.NewProxy()}, time.Second, wished{}.claim)
	if out := r.change(context.Background(), routeStep("a", "/a")); out.Failure == nil || out.Failure.Reason != reconcile.ReasonProxyRefused {
		t.Errorf("%v, want it to be seen that the proxy serves another table", out.Failure)
	}
}

func TestRouterWaitsNoLongerThanItsContext(t *testing.T) {
	r := newRouter(fake.NewProxy(), time.Second, wished{}.claim)
	r.turn <- struct{}{}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if out := r.change(ctx, routeStep("a", "/a")); out.Failure == nil {
		t.Error("it did not wait for its turn")
	}
}
