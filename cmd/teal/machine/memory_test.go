package machine

import (
	"strings"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// nobody is the filter for everything.
var nobody spec.Name

// doctor types teal doctor, which may find something wrong.
func (s *stand) doctor() string {
	s.t.Helper()
	out, _ := s.command(s.t.Context(), "doctor").CombinedOutput() // its exit code says that something is wrong
	return string(out)
}

// TestOutOfMemory: a version that eats all the memory it may have is held with
// that as evidence, and what serves loses nothing.
func TestOutOfMemory(t *testing.T) {
	long(t)
	s := newStand(t)
	v1, hog := s.image("v1", ""), s.image("v2", "hog")
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")
	stop := s.load()
	s.wants(hog, "2m")
	a := s.app("v2 is held", func(a reconcile.Status) bool { return a.Hold != nil && a.Phase == reconcile.Idle })
	stop()
	oom := false
	if a.Hold.Evidence != nil {
		for _, c := range a.Hold.Evidence.Containers {
			oom = oom || c.OOMKilled
		}
	}
	if !oom || !a.Serving.OK {
		t.Errorf("serving %+v; held for %s: %s; evidence %+v", a.Serving, a.Hold.Reason, a.Hold.Message, a.Hold.Evidence)
	}
	if out := s.teal("history", "web"); !strings.Contains(strings.ToLower(out), "memory") {
		t.Errorf("history does not name it: %s", out)
	}
}
