package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"teal/controller"
	"teal/reconcile"
)

// TestDiskFull: under the state folder, the records' and the proxy's, no byte can
// be written. What serves goes on, the status says so, and when
// there is room again the work goes on by itself.
func TestDiskFull(t *testing.T) {
	long(t)
	s := newStand(t)
	v1, v2 := s.image("v1", ""), s.image("v2", "")
	must(t, os.Mkdir(s.state, 0o700))
	s.onHost("mount -t tmpfs -o size=8m,mode=0700 tmpfs " + s.state) // where the host sees it
	t.Cleanup(func() { s.onHost("umount -l " + s.state) })
	s.wants(v1, "1m")
	s.start()
	s.settled("v1")
	stop := s.load()
	serving, next, version := "v1", v2, "v2"
	for _, c := range []struct{ name, fill, free string }{
		{"full", "cat /dev/zero > $S/filler 2>/dev/null || test -s $S/filler", "rm $S/filler"},
		{"full again", "cat /dev/zero > $S/filler 2>/dev/null || test -s $S/filler", "rm $S/filler"},
	} {
		s.onHost(c.fill)
		s.wants(next, "1m")
		s.until(c.name+": the status says so", func() error {
			list, err := s.client.Status(t.Context(), nobody)
			told := fmt.Sprintf("%+v", list)
			if err == nil && list.Controller.Records.Reason != controller.ReasonRecordsUnwritable && !strings.Contains(told, "no space left") {
				err = errors.New(told)
			}
			return err
		})
		if !strings.Contains(s.doctor(), "what serves goes on, nothing new is begun") {
			t.Errorf("%s: doctor does not say it", c.name)
		}
		s.serves(serving)
		s.onHost(c.free)
		s.settledOrRetried(version)
		serving, next, version = version, v1, "v1"
		if r := s.status().Controller.Records; !r.OK {
			t.Errorf("%s: afterwards %+v", c.name, r)
		}
	}
	stop()
}

// onHost runs a line of shell on the host; $S is the state folder.
func (s *stand) onHost(line string) {
	s.t.Helper()
	ctx, done := context.WithTimeout(context.Background(), limit)
	defer done()
	if _, err := ground.host.Run(ctx, "env", "S="+s.state, "sh", "-c", line); err != nil {
		s.t.Error(err)
	}
}

// settledOrRetried is settled for a rollout that may have been at its switch for
// longer than that may take: then an operator asks for another try.
func (s *stand) settledOrRetried(version string) {
	s.t.Helper()
	s.app("the rollout ends", func(a reconcile.Status) bool { return a.Phase == reconcile.Idle && (a.Synced.OK || a.Hold != nil) })
	if s.status().Apps[0].Hold != nil {
		s.teal("retry", "web")
	}
	s.settled(version)
}
