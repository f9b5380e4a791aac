package pennyway_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"teal/cmd/load/loadgen"
	"teal/examples/pennyway/stage"
	"teal/reconcile"
)

// From the script to Teal, as docs/adopt.md tells it. A reload of this nginx
// (older than 1.27.4) can lose a request on a kept connection, so the steps that
// reload are taken under requests with connections of their own; the traffic
// moves under kept ones. Each of the two reloads by adopt may cut one answer.
func TestTakeOverFromTheScript(t *testing.T) {
	s := newStage(t, 1)
	must(t, s.Legacy(t.Context()))
	before := strings.TrimSpace(run(t, s.Apps[0], "docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "was_blue", "pennyway_rdb"))
	teal := prepared(t, s.Adoption)
	adopt := func(args ...string) string {
		t.Helper()
		args = append([]string{"adopt", "-c", "teal.yaml", "-f", "docker-compose.yml", "--nginx", "/etc/nginx/nginx.conf", "--health", "/v3/api-docs"}, args...)
		out, err := teal.Run(t.Context(), args...)
		must(t, err)
		return out
	}

	stop := loadWith(t, loadgen.Config{URL: s.URL(), Rate: 50, Header: http.Header{"Connection": {"close"}}}, 2)
	adopt("-o", "compose.yaml")
	adopt("--edit-nginx")
	must(t, teal.Start(t.Context()))
	app(t, teal, "1.4.1 is staged beside the old container", func(a reconcile.Status) bool {
		return a.Phase == reconcile.Staged && serves(a) != ""
	})
	if out := adopt("--edit-nginx"); !strings.Contains(out, "in place of proxy_pass") {
		t.Fatalf("the location was not edited: %s", out)
	}
	must(t, s.Answers(t.Context(), "1.4.1"))
	if now := strings.TrimSpace(run(t, s.Apps[0], "docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", "was_blue", "pennyway_rdb")); now != before {
		t.Errorf("the containers of before were touched: %s, then %s", before, now)
	}
	stop()

	stop = load(t, s)
	if _, err := teal.Run(t.Context(), "promote", "pennyway/was"); err != nil {
		t.Fatal(err)
	}
	settled(t, teal, "1.4.1")
	must(t, s.Release(t.Context(), "1.4.2"))
	automatic(t, teal)
	deploy(t, teal, "${WAS_VERSION}", "1.4.2")
	settled(t, teal, "1.4.2")
	stop()
	must(t, s.Answers(t.Context(), "1.4.2"))
	if names := run(t, s.Apps[0], "docker", "ps", "-a", "--format", "{{.Names}}"); !strings.Contains(names, "was_blue") {
		t.Errorf("the container of before was removed: %s", names)
	}
}

// automatic takes out what the take-over put in: the gate.
func automatic(t *testing.T, teal *stage.Teal) {
	t.Helper()
	text, err := os.ReadFile(teal.Compose())
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "promotion: manual") {
			if _, err := teal.Edit(line, ""); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("there is no gate in %s", text)
}
