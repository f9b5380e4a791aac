package controller

import (
	"log/slog"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// A clock that is set while the controller runs moves what waits, once and by
// just as much; being kept right in small steps moves it when they add up.
func TestARecordFollowsAClockThatIsSet(t *testing.T) {
	app := spec.Name{Project: "shop", Service: "web"}
	var set time.Duration
	c := &Controller{log: slog.New(slog.DiscardHandler), started: time.Now()}
	c.leap = func() time.Duration { return set }
	begun := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	r := reconcile.Record{PhaseSince: begun, Deadline: begun.Add(time.Minute)}
	for _, step := range []struct{ to, moved time.Duration }{
		{0, 0},
		{time.Second, 0},
		{time.Hour, time.Hour},
		{time.Hour, 0},
		{-time.Hour, -2 * time.Hour},
		{-time.Hour + time.Second, 0},
		{-time.Hour + 3*time.Second, 3 * time.Second},
	} {
		set = step.to
		got := c.onTime(app, r, c.leap())
		if moved := got.Deadline.Sub(r.Deadline); moved != step.moved || got.PhaseSince.Sub(r.PhaseSince) != step.moved {
			t.Errorf("set by %s in all: the deadline moved by %s, want %s", step.to, moved, step.moved)
		}
		c.memory.keptTime(app, c.leap())
	}
	set = time.Hour
	if first, again := c.onTime(app, r, set).Deadline, c.onTime(app, r, set).Deadline; !first.Equal(again) {
		t.Error("a pass that was not stored counts as done")
	}
	if now := c.leapt(); now.Abs() > time.Second {
		t.Errorf("a clock that nobody set leapt by %s", now)
	}
}
