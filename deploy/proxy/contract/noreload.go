package contract

import (
	"testing"
	"time"

	"teal/spec"
)

// testNoReload switches and changes weights under load, as a rollout does once
// its addresses are known: nothing is lost, and the proxy loads nothing.
func testNoReload(t *testing.T, e *env) {
	blue, green := e.start("v-blue"), e.start("v-green")
	both := func(weight int) {
		r := weighted(on(spec.Blue, "r1", blue), on(spec.Green, "r2", green))
		r.Backends[0].Weight, r.Backends[1].Weight = 100-weight, weight
		e.apply(r)
	}
	both(0)
	before := e.Reloads()
	load := e.startLoad()
	pause := time.NewTicker(loadPause / 5)
	defer pause.Stop()
	for i := range e.Switches {
		both(100 * ((i + 1) % 2))
		<-pause.C
	}
	for i := range e.Weights {
		both((i*37 + 1) % 100)
		<-pause.C
	}
	sent, failed, first := load.stop()
	reloads := e.Reloads() - before
	t.Logf("%d switches, %d changes of weight, %d requests, %d failed, %d reloads", e.Switches, e.Weights, sent, failed, reloads)
	if failed > 0 || reloads > 0 {
		t.Errorf("%d of %d requests failed with %d reloads; the first: %v", failed, sent, reloads, first)
	}
	if sent == 0 || blue.hits.Load() == 0 || green.hits.Load() == 0 {
		t.Errorf("%d requests, %d to blue, %d to green: the load was no load", sent, blue.hits.Load(), green.hits.Load())
	}
}
