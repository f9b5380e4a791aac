package machine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

func (s *stand) database() string { return filepath.Join(s.state, "teal.db") }

// TestRecordsDamaged: at a start and while they are in use, in the middle of a
// rollout, the records are built anew, and nothing that serves is touched.
func TestRecordsDamaged(t *testing.T) {
	s := newStand(t)
	v1, v2 := s.image("v1", ""), s.image("v2", "unhealthy")
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")
	before := s.running()
	stop := s.load()
	for _, c := range []struct {
		name   string
		damage func(path string) error
	}{
		{"cut short", func(path string) error { return os.Truncate(path, 20_000) }},
		{"garbage inside", func(path string) error {
			raw, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, append(raw[:8192:8192], bytes.Repeat([]byte("garbage!"), len(raw)/8)...), 0o600))
		}},
		{"deleted", os.Remove},
		{"replaced by a folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }},
	} {
		s.kill()
		must(t, c.damage(s.database()))
		s.start()
		s.settled("v1")
		if now := s.running(); now != before {
			t.Errorf("%s: containers were %s, are %s", c.name, before, now)
		}
	}
	if r := s.status().Controller.Records; r.OK || r.Reason != reconcile.ReasonRebuilt || !strings.Contains(r.Message, "teal.db.damaged-") {
		t.Errorf("records: %+v", r)
	}
	s.logged("records were damaged, moved aside")

	s.wants(v2, "30m")
	s.app("v2 is being verified", func(a reconcile.Status) bool { return a.Phase == reconcile.Verifying })
	must(t, os.Truncate(s.database(), 0))
	s.ends("is damaged")
	s.start()
	s.app("v2 is verified anew", func(a reconcile.Status) bool { return a.Phase == reconcile.Verifying && a.Serving.OK })

	must(t, os.Remove(s.database()))
	s.ends("its content was put back")
	s.start()
	if a := s.app("it goes on", func(a reconcile.Status) bool { return a.Phase == reconcile.Verifying && a.Serving.OK }); a.Generation < 2 {
		t.Errorf("generation %d", a.Generation)
	}
	s.wants(v1, "1m")
	s.settled("v1")
	stop()
	if now := s.running(); now != before {
		t.Errorf("containers were %s, are %s", before, now)
	}
}

// TestBackupAndRestore: an old backup in a world that went on touches nothing of
// it, and the next change is followed.
func TestBackupAndRestore(t *testing.T) {
	s := newStand(t)
	v1, v2, v3 := s.image("v1", ""), s.image("v2", ""), s.image("v3", "")
	copied := filepath.Join(s.folder, "copy")
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")
	s.teal("backup", copied)
	s.wants(v2, "1m")
	s.settled("v2")
	was := s.app("it serves", func(a reconcile.Status) bool { return a.Serving.OK })
	stop := s.load()
	s.kill()
	if out := s.teal("restore", copied); !strings.Contains(out, "restored 1 projects with 1 services") {
		t.Errorf("restore said %s", out)
	}
	s.wants(v1, "1m") // as if it came from the same backup: the past, in every way
	s.start()
	s.app("the restored wish is not followed", func(a reconcile.Status) bool { return a.Override != nil && a.Serving.OK })
	s.serves("v2")
	s.wants(v3, "1m")
	s.settled("v3")
	stop()
	if now := s.app("it serves", func(a reconcile.Status) bool { return a.Serving.OK }); now.Generation <= was.Generation {
		t.Errorf("generation %d after %d", now.Generation, was.Generation)
	}
	page, err := s.client.History(t.Context(), spec.Name{Project: "shop", Service: "web"}, 10)
	if err != nil || len(page.Rollouts) < 2 {
		t.Errorf("history %+v, %v", page, err)
	}
}
