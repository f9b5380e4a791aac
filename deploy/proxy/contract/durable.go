package contract

import (
	"net/http"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

func testRestart(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.start("blue"))))
	e.apply(routeTo(on(spec.Green, "r2", e.start("green"))))
	e.Restart(t)
	if got := e.get("/").body; got != "green" {
		t.Errorf("after a restart %q serves", got)
	}
	if got := e.read().Table.Seq; got != 2 {
		t.Errorf("after a restart table %d is served, want 2", got)
	}
	stale := reconcile.Table{Seq: 1, Routes: []reconcile.Route{routeTo(on(spec.Blue, "r1", e.start("blue")))}}
	if err := e.Proxy.Apply(t.Context(), stale); err == nil {
		t.Error("after a restart an older table was accepted")
	}
}

func testDamage(t *testing.T, e *env) {
	blue, green := e.start("blue"), e.start("green")
	e.apply(routeTo(on(spec.Blue, "r1", blue)))
	e.apply(routeTo(on(spec.Green, "r2", green)))
	e.Damage(t, false)
	s, err := e.Proxy.Read(t.Context())
	if err == nil {
		t.Error("a damaged table is not reported")
	}
	if got := e.get("/").body; got != "blue" || s.Table.Seq != 1 {
		t.Errorf("with the newest table damaged: %q serves, table %d is read back; want blue, 1", got, s.Table.Seq)
	}
	e.apply(routeTo(on(spec.Green, "r2", green)))
	if got := e.get("/").body; got != "green" {
		t.Errorf("after the repair %q serves", got)
	}
	e.Restart(t)
	if got := e.get("/").body; got != "green" || e.read().Table.Seq != e.seq {
		t.Errorf("after the repair and a restart %q serves", got)
	}
}

func testDamageAll(t *testing.T, e *env) {
	blue := e.start("blue")
	e.apply(routeTo(on(spec.Blue, "r1", blue)))
	e.apply(routeTo(on(spec.Blue, "r1", blue)))
	e.Damage(t, true)
	if _, err := e.Proxy.Read(t.Context()); err == nil {
		t.Error("a damaged table is not reported")
	}
	if a := e.get("/"); a.status != http.StatusServiceUnavailable {
		t.Errorf("without a good table: status %d, want 503", a.status)
	}
	e.apply(routeTo(on(spec.Blue, "r1", blue)))
	if got := e.get("/").body; got != "blue" {
		t.Errorf("after the repair %q serves", got)
	}
}
