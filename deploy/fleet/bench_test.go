package fleet_test

import (
	"testing"
	"time"

	"teal/deploy/fleet"
	"teal/reconcile"
	"teal/spec"
)

// BenchmarkObserveFiveHosts observes an app with a replica on each of five hosts,
// reached over ssh, TLS and sockets, and one with a replica on one of them, by
// turns. Five that were asked one after the other would take five times as long
// as one; all share this machine's cores.
func BenchmarkObserveFiveHosts(b *testing.B) {
	names := []string{"a", "b", "c", "d", "e"}
	l := newLab(b, names...)
	f, _ := open(b, fleet.Limits{Answer: limit}, "a="+viaSSH(l.hosts[0]), "b="+viaTLS(l.hosts[1]),
		"c="+viaSSH(l.hosts[2]), "d="+viaTLS(l.hosts[3]), "e="+viaUnix(l.hosts[4]))
	five, one := newApp(), newApp()
	for i, name := range names {
		perform(b, f, l.replica(five, i+1, name))
	}
	perform(b, f, l.replica(one, 1, "a"))
	took := func(app spec.Name, want int, hosts ...string) time.Duration {
		begun := time.Now()
		seen, err := f.Observe(b.Context(), app, reconcile.Look{Hosts: hosts})
		if err != nil || len(seen.Containers) != want {
			b.Fatalf("%+v, %v", seen, err)
		}
		return time.Since(begun)
	}
	took(five, 5, names...)
	var ones, fives time.Duration
	b.ResetTimer()
	for b.Loop() {
		ones += took(one, 1, "a")
		fives += took(five, 5, names...)
	}
	b.ReportMetric(float64(ones.Microseconds())/float64(b.N)/1000, "ms/one")
	b.ReportMetric(float64(fives.Microseconds())/float64(b.N)/1000, "ms/five")
	b.ReportMetric(fives.Seconds()/ones.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}
