package contract

import (
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

func stopStep(id string) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepStop, Container: id, Grace: spec.Duration(5 * time.Second)}
}

func removeStep(id string) reconcile.Step {
	return reconcile.Step{Kind: reconcile.StepRemove, Container: id, Grace: spec.Duration(5 * time.Second)}
}

func stopKeeps(t *testing.T, s Subject) {
	name := app()
	must(t, s, ensureStep(name, replica(name, s.Image(t, Serves), "", 1)))
	made := one(t, s, name)
	awaitListening(t, s, made.ID)
	for range 2 {
		must(t, s, stopStep(made.ID))
		if c := one(t, s, name); c.State != reconcile.Exited || c.ID != made.ID || c.ExitCode != 0 {
			t.Fatalf("stopped: %+v", c)
		}
	}
	must(t, s, stopStep("0123456789ab")) // what is gone is stopped
}

func removeRepeated(t *testing.T, s Subject) {
	name := app()
	must(t, s, ensureStep(name, replica(name, s.Image(t, Serves), spec.Blue, 1)))
	id := one(t, s, name).ID
	const several = 4
	ended := make(chan *reconcile.Failure)
	for range several {
		go func() { ended <- s.Engine.Perform(t.Context(), removeStep(id)).Failure }()
	}
	for range several {
		if f := <-ended; f != nil {
			t.Error(f)
		}
		if s.By.Exists(t, id) {
			t.Error("a removal has ended, but the container is still there")
		}
	}
	must(t, s, removeStep(id))
	must(t, s, removeStep("0123456789ab"))
	if seen := observe(t, s, name); len(seen.Containers) != 0 {
		t.Errorf("still seen: %+v", seen.Containers)
	}
}

func strangerNotRemoved(t *testing.T, s Subject) {
	id := s.By.Create(t, app().Project+"-stranger")
	refused(t, s, stopStep(id), reconcile.ReasonEngineRefused)
	refused(t, s, removeStep(id), reconcile.ReasonEngineRefused)
	if !s.By.Exists(t, id) {
		t.Error("the stranger's container is gone")
	}
}

func evidenceTold(t *testing.T, s Subject) {
	name := app()
	en := replica(name, s.Image(t, Exits), spec.Blue, 1)
	en.Revision.Container.Restart = "no"
	must(t, s, ensureStep(name, en))
	await(t, "the container exits", func() bool { return one(t, s, name).State == reconcile.Exited })
	made := one(t, s, name)
	out := must(t, s, reconcile.Step{Kind: reconcile.StepEvidence, App: name, Containers: []string{made.ID, "0123456789ab"}})
	if out.Evidence == nil || len(out.Evidence.Containers) != 2 || out.Evidence.At.IsZero() {
		t.Fatalf("evidence %+v", out.Evidence)
	}
	first, second := out.Evidence.Containers[0], out.Evidence.Containers[1]
	if first.Name != made.Name || first.ExitCode != 1 || first.State != "exited" || !strings.Contains(strings.Join(first.Logs, "\n"), "exit") {
		t.Errorf("evidence of the exited one: %+v", first)
	}
	if second.State != "removed" {
		t.Errorf("evidence of the one that is gone: %+v", second)
	}
}
