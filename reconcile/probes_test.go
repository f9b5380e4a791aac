package reconcile_test

import (
	"testing"
	"time"

	. "teal/reconcile"
	"teal/spec"
)

// TestProbes says what is probed how often, as a settled world and each phase
// have it.
func TestProbes(t *testing.T) {
	const fast, steady, none = 100 * time.Millisecond, time.Second, 0
	slow := behaviour{start: 50 * time.Second}
	for _, c := range []struct {
		says string
		come func(*scenario)
		v1   time.Duration
		v2   time.Duration
	}{
		{"a settled app is probed once a second", func(*scenario) {}, steady, none},
		{"while nothing is routed, stable is awaited", func(s *scenario) { s.host.route = nil }, fast, none},
		{"a standby, too", func(s *scenario) { s.runs("app:v2") }, steady, steady},
		{"a candidate that is awaited is probed at its own interval", func(s *scenario) {
			s.host.runs["app:v2"] = slow
			s.wants("app:v2")
			s.reaches(Verifying)
		}, steady, fast},
		{"a staged one, too", func(s *scenario) {
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
		}, steady, fast},
		{"in the bake it is settled", func(s *scenario) {
			s.wants("app:v2", bake(60))
			s.reaches(Confirming)
		}, steady, steady},
		{"while a rollout is taken back, stable is awaited", func(s *scenario) {
			s.wants("app:v2", manual(spec.TimeoutAbort))
			s.settles()
			s.inFlight("app:v2", 1, 0)
			s.does(VerbAbort)
			s.reaches(Aborting)
		}, fast, steady},
		{"an interval longer than a second is kept", func(s *scenario) {
			s.wants("app:v2", func(v *spec.Service) { v.Rollout.Health.Interval = seconds(5) }, standby(spec.Standby{}))
			s.settles()
		}, none, 5 * time.Second},
		{"what does not run is not probed", func(s *scenario) {
			s.runs("app:v2")
			s.stops("app:v1")
		}, none, steady},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := newApp(t)
			s.runs("app:v1")
			c.come(s)
			got := map[string]time.Duration{}
			for _, p := range Probes(s.record, s.host.world()) {
				b := s.host.find(p.Container)
				got[b.Image] = p.Interval
				if p.Address != b.Address || !p.StartedAt.Equal(b.StartedAt) {
					t.Errorf("probe: %+v", p)
				}
			}
			if got["app:v1"] != c.v1 || got["app:v2"] != c.v2 {
				t.Errorf("intervals: %v, wanted %s for v1 and %s for v2", got, c.v1, c.v2)
			}
		})
	}
	t.Run("a dependency is not probed: the engine checks it", func(t *testing.T) {
		s := newDependency(t)
		s.runs("db:v1", checked)
		if p := Probes(s.record, s.host.world()); len(p) > 0 {
			t.Errorf("probes: %+v", p)
		}
	})
}

// TestProbedAddress says where the probes go.
func TestProbedAddress(t *testing.T) {
	for _, c := range []struct {
		says    string
		port    int
		address string
		reach   map[int]string
		want    string
	}{
		{"the routed port is where the proxy reaches it", 8080, "10.0.0.2:8080", nil, "10.0.0.2:8080"},
		{"also where it is published under another number", 8080, "192.0.2.1:20001", map[int]string{8080: "192.0.2.1:20001"}, "192.0.2.1:20001"},
		{"another port is at the same address", 9090, "10.0.0.2:8080", nil, "10.0.0.2:9090"},
		{"another port may be published elsewhere", 9090, "192.0.2.1:20001", map[int]string{9090: "192.0.2.1:20002"}, "192.0.2.1:20002"},
		{"an address may be of version 6", 9090, "[fd00::2]:8080", nil, "[fd00::2]:9090"},
		{"without a port, the routed one", 0, "10.0.0.2:8080", nil, "10.0.0.2:8080"},
		{"without an address there is none", 9090, "", nil, ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			p := Placement{Colour: spec.Blue, Revision: Revision{ID: "r", Port: 8080}, Health: spec.Health{Kind: spec.HealthHTTP, Port: c.port}}
			world := World{Containers: []Container{{ID: "c", Colour: spec.Blue, Revision: "r", State: Running, Address: c.address, Reach: c.reach}}}
			if got := Probes(Record{Stable: &p}, world); len(got) != 1 || got[0].Address != c.want {
				t.Errorf("%+v, wanted %s", got, c.want)
			}
		})
	}
}
