package pennyway_test

import (
	"strings"
	"testing"
)

// short are the script's waits for a test.
var short = []string{"SLEEP=1", "TRIES=3", "PAUSE=1"}

func TestLegacyScriptDeploysAndRollsBack(t *testing.T) {
	s := newStage(t, 1)
	must(t, s.Legacy(t.Context()))
	must(t, s.Release(t.Context(), "1.4.2"))
	if out, err := s.Deploy(t.Context(), "1.4.2", short...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, s.Answers(t.Context(), "1.4.2"))
	if names := run(t, s.Apps[0], "docker", "ps", "-a", "--format", "{{.Names}}"); strings.Contains(names, "was_blue") || !strings.Contains(names, "was_green") {
		t.Errorf("after the deployment there are %q", names)
	}

	must(t, s.Release(t.Context(), "1.4.3", "BREAK=unhealthy"))
	if out, err := s.Deploy(t.Context(), "1.4.3", short...).CombinedOutput(); err == nil {
		t.Errorf("a version that is not healthy was deployed: %s", out)
	}
	must(t, s.Answers(t.Context(), "1.4.2"))
	if names := run(t, s.Apps[0], "docker", "ps", "-a", "--format", "{{.Names}}"); strings.Contains(names, "was_blue") {
		t.Errorf("after the way back there are %q", names)
	}
}
