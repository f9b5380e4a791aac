package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAPushedCommitIsTold: from a commit in a repository to its status on the
// host, over a kill, and to the history.
func TestAPushedCommitIsTold(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "unhealthy")
	l := newLab(t)
	repository := filepath.Join(l.folder, "ops", "shop")
	git := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "git", append([]string{"-C", repository, "-c", "user.name=Ann", "-c", "user.email=ann@example.com"}, args...)...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	push := func(image, subject string) string {
		t.Helper()
		l.edit(l.wants(image))
		if err := os.Rename(l.file(), filepath.Join(repository, "compose.yaml")); err != nil {
			t.Fatal(err)
		}
		git("add", ".")
		git("commit", "-qm", subject)
		return git("rev-parse", "HEAD")
	}
	var mu sync.Mutex
	var got []string
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ State, Context string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "token HUSHHUSH" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.Path+" "+body.Context+" "+body.State)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(host.Close)
	told := func(commit, state string) {
		t.Helper()
		want := fmt.Sprintf("/api/v1/repos/ops/shop/statuses/%s teal/%s/%s/web %s", commit, l.id, l.project, state)
		l.until(want, func() error {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(got, want) {
				return fmt.Errorf("told %q", got)
			}
			return nil
		})
	}

	if err := os.MkdirAll(repository, 0o700); err != nil {
		t.Fatal(err)
	}
	git("init", "-qb", "main")
	l.private("token", "HUSHHUSH")
	l.private("teal.yaml", fmt.Sprintf("sources:\n  shop: {url: 'file://%s', branch: main, path: compose.yaml, every: 1s, status: gitea, status_url: '%s', status_token_file: token}\n", repository, host.URL))
	first := push(v1, "Roll out v1")
	l.run("-c", "teal.yaml")
	told(first, "success")
	second := push(v2, "Roll out v2")
	told(second, "pending")
	l.kill()
	l.run("-c", "teal.yaml")
	told(second, "failure")
	l.teal("history").expect(t, exitDone, first[:8]+" Ann: Roll out v1", second[:8]+" Ann: Roll out v2")
	l.teal("status").expect(t, exitDone, "commit "+first[:8])
}
