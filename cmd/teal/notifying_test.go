package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"teal/controller/notify"
)

// hook is a webhook that keeps what it is sent, unless it is away.
type hook struct {
	mu   sync.Mutex
	away bool
	got  []notify.Payload
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var p notify.Payload
	switch err := json.NewDecoder(r.Body).Decode(&p); {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case h.away:
		http.Error(w, "away", http.StatusServiceUnavailable)
	case r.Header.Get(notify.SignatureHeader) == "":
		http.Error(w, "not signed", http.StatusUnauthorized)
	default:
		h.got = append(h.got, p)
	}
}

func (h *hook) goes(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

// told waits for one message with given words.
func (h *hook) told(l *lab, words string) {
	l.t.Helper()
	l.until("the hook is told of "+words, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !slices.ContainsFunc(h.got, func(p notify.Payload) bool { return strings.Contains(p.Text, words) }) {
			return fmt.Errorf("it was told %+v", h.got)
		}
		return nil
	})
}

// private writes a file that only its owner reads.
func (l *lab) private(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.folder, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func TestAWebhookIsToldOverKills(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "unhealthy")
	h := &hook{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	l := newLab(t)
	l.private("hook.url", server.URL+"/HUSHHUSH\n")
	l.private("hook.key", "a key")
	l.private("teal.yaml", "notify:\n  ops:\n    url_file: hook.url\n    secret_file: hook.key\n    events: [results, Accepted]\n")
	l.teal("notify", "test", "-c", "teal.yaml").expect(t, exitDone, "ops (webhook at 127.0.0.1", "sent")
	h.told(l, "this is a test of the notifications to ops")

	l.edit(l.wants(v1))
	l.start("-c", "teal.yaml")
	h.told(l, l.project+"/web Accepted: generation 1 accepted")
	h.told(l, l.project+"/web Promoted")

	h.goes(true)
	l.edit(l.wants(v2))
	l.held(v2)
	l.teal("notify", "test", "-c", "teal.yaml").expect(t, exitFailed, "answered 503", "not taken by ops")
	l.kill()
	h.goes(false)
	l.start("-c", "teal.yaml")
	h.told(l, "⚠ "+l.project+"/web RolledBack")
	if log, err := os.ReadFile(l.log.Name()); err != nil || strings.Contains(string(log), "HUSHHUSH") {
		t.Error(errors.Join(err, errors.New("the log has the address of the hook")))
	}
}

func TestMistakesInNotify(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no name", []string{"--notify", "https://h/HUSHHUSH"}, "does not begin with a name"},
		{"twice", []string{"--notify", "a=https://h/HUSHHUSH", "--notify", "a=https://h/HUSHHUSH"}, "two targets called a"},
		{"event", []string{"--notify", "a=https://h/HUSHHUSH?events=Promotet"}, "--notify a: events: there is no event Promotet; did you mean Promoted?"},
		{"nobody", nil, "there is no target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs strings.Builder
			m := Main{Stdout: &out, Stderr: &errs, Env: []string{"TEAL_STATE=" + t.TempDir()}}
			if code := m.Run(t.Context(), append([]string{"notify", "test"}, c.args...)); code != exitBadInput || !strings.Contains(errs.String(), c.want) || strings.Contains(errs.String(), "HUSHHUSH") {
				t.Errorf("exit %d: %s%s", code, &out, &errs)
			}
		})
	}
}
