package faults

import (
	"context"
	"testing"
	"time"

	"teal/deploy/rig"
)

// ends are the ways an engine goes away.
var ends = []struct {
	name string
	end  func(*stage) error
}{
	{"graceful", func(s *stage) error { return s.StopEngine(context.Background()) }},
	{"killed", func(s *stage) error { return s.KillEngine(context.Background()) }},
}

// TestEngineRestartsWithLiveRestore: containers and proxy go on, so nothing may
// be lost, at rest and in the middle of a rollout.
func TestEngineRestartsWithLiveRestore(t *testing.T) {
	t.Parallel()
	for _, e := range ends {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t, newStage(t, rig.HostOptions{LiveRestore: true}))
			x.edit(x.wants("app:v1"))
			x.start()
			x.settled("v1")
			stop := x.load()
			restart(t, x, e.end)
			x.settled("v1")
			x.only()
			x.edit(x.wants("app:slow2"))
			until(t, "the candidate starts", func() error {
				if len(x.replicas()) < 2 {
					return errNotYet
				}
				return nil
			})
			restart(t, x, e.end)
			x.settled("v2")
			x.only()
			lossless(t, stop())
		})
	}
}

// TestEngineRestartsWithoutLiveRestore: the engine stops what runs, which Teal
// cannot keep it from. All must serve again without anybody's doing.
func TestEngineRestartsWithoutLiveRestore(t *testing.T) {
	t.Parallel()
	for _, e := range ends {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t, newStage(t, rig.HostOptions{}))
			x.edit(x.wants("app:v1"))
			x.start()
			x.settled("v1")
			again(t, x, e.end, "v1")
			x.settled("v1")
			x.only()
			x.edit(x.wants("app:slow2"))
			until(t, "the candidate starts", func() error {
				if len(x.replicas()) < 2 {
					return errNotYet
				}
				return nil
			})
			again(t, x, e.end, "v1", "v2")
			x.settled("v2")
			x.only()
		})
	}
}

// restart ends the engine, leaves it away for a moment, and starts it.
func restart(t testing.TB, x *site, end func(*stage) error) {
	t.Helper()
	if err := end(x.stage); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // away is a state of its own, which Teal is to see
	if err := x.StartEngine(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// again restarts the engine under load, and tells what was lost and when it
// served again.
func again(t testing.TB, x *site, end func(*stage) error, versions ...string) {
	t.Helper()
	stop := x.load()
	began := time.Now()
	restart(t, x, end)
	up := time.Now()
	until(t, "it serves again", func() error {
		var err error
		for _, version := range versions { // the rollout may end before the engine does
			if err = x.answers(version); err == nil {
				return nil
			}
		}
		return err
	})
	serves := time.Now()
	r := stop()
	t.Logf("engine away for %s, serves %s after it answers; %d of %d requests lost: %v",
		up.Sub(began).Round(time.Millisecond), serves.Sub(up).Round(time.Millisecond), r.Failed, r.Sent, r.Failures)
}
