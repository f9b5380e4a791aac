package access_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/controller/access"
	"teal/controller/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// room is a state folder with a gate, and what the gate logged.
type room struct {
	dir    string
	tokens access.Tokens
	gate   *access.Gate
	log    *bytes.Buffer
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{dir: t.TempDir(), log: &bytes.Buffer{}}
	r.tokens = access.In(r.dir)
	r.gate = access.NewGate(r.tokens, slog.New(slog.NewTextHandler(r.log, nil)))
	return r
}

func (r *room) create(t *testing.T, name string, role api.Role, expires time.Time) string {
	t.Helper()
	secret, _, err := r.tokens.Create(name, role, time.Now(), expires)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// ask offers a token from an address.
func (r *room) ask(from string, headers ...string) (api.Caller, error) {
	req := httptest.NewRequest(http.MethodGet, "/v1/status", nil)
	req.RemoteAddr = from
	for _, h := range headers {
		req.Header.Add("Authorization", h)
	}
	return r.gate.Admit(req)
}

const here = "192.0.2.1:1000"

func TestTokensAreKeptAsHashesForTheirOwnerOnly(t *testing.T) {
	r := newRoom(t)
	secret := r.create(t, "ci", api.RoleOperator, time.Time{})
	if len(secret) < 40 || !strings.HasPrefix(secret, access.Prefix) {
		t.Errorf("the token is %q", secret)
	}
	if c, err := r.ask(here, "Bearer "+secret); err != nil || c.Name != "ci" || c.Role != api.RoleOperator {
		t.Errorf("%+v, %v", c, err)
	}
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(strings.TrimPrefix(secret, access.Prefix))) {
			t.Errorf("%s holds the token", path)
		}
		if info, statErr := d.Info(); statErr != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", path, info.Mode(), statErr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if used := r.tokens.Uses()["ci"]; time.Since(used) > time.Hour {
		t.Errorf("last used at %s", used)
	}
}

func TestWhoIsNotAdmitted(t *testing.T) {
	r := newRoom(t)
	secret := r.create(t, "ci", api.RoleViewer, time.Time{})
	old := r.create(t, "old", api.RoleOperator, time.Now().Add(-time.Minute))
	for name, headers := range map[string][]string{
		"nothing":             nil,
		"an empty token":      {"Bearer "},
		"another scheme":      {"Basic " + secret},
		"no scheme":           {secret},
		"two headers":         {"Bearer " + secret, "Bearer " + secret},
		"one letter less":     {"Bearer " + secret[:len(secret)-1]},
		"one letter more":     {"Bearer " + secret + "A"},
		"another token":       {"Bearer teal_" + strings.Repeat("A", 43)},
		"one that ran out":    {"Bearer " + old},
		"something very long": {"Bearer " + strings.Repeat("A", 60000)},
	} {
		_, err := r.ask(strings.ReplaceAll(name, " ", "")+":1", headers...)
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Status() != http.StatusUnauthorized || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{secret, old} {
		if strings.Contains(r.log.String(), s[:20]) {
			t.Errorf("the log holds what was tried:\n%s", r.log)
		}
	}
	if !strings.Contains(r.log.String(), "request was not admitted") {
		t.Error("the log says nothing of it")
	}
}

func TestARemovedTokenIsRefusedAtOnce(t *testing.T) {
	r := newRoom(t)
	secret := r.create(t, "ci", api.RoleViewer, time.Time{})
	r.create(t, "other", api.RoleViewer, time.Time{})
	c, err := r.ask(here, "Bearer "+secret)
	if err != nil || !r.gate.Stands(c) {
		t.Fatalf("%+v does not stand: %v", c, err)
	}
	if err := r.tokens.Remove("ci"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ask(here, "Bearer "+secret); err == nil || r.gate.Stands(c) {
		t.Errorf("it is admitted still (%v), or stands", err)
	}
	r.create(t, "ci", api.RoleViewer, time.Time{}) // another one of its name
	if _, err := r.ask(here, "Bearer "+secret); err == nil || r.gate.Stands(c) {
		t.Errorf("it is admitted again (%v), or stands", err)
	}
}

func TestFailedAttemptsAreLimited(t *testing.T) {
	r := newRoom(t)
	secret := r.create(t, "ci", api.RoleViewer, time.Time{})
	reasons := map[api.Reason]int{}
	for range 100 {
		_, err := r.ask(here, "Bearer wrong")
		e, ok := errors.AsType[*api.Error](err)
		if !ok {
			t.Fatal(err)
		}
		reasons[e.Reason]++
	}
	if reasons[api.ReasonUnauthenticated] > 20 || reasons[api.ReasonTooMany] < 80 {
		t.Errorf("answers: %v", reasons)
	}
	if n := strings.Count(r.log.String(), "not admitted"); n > 20 {
		t.Errorf("%d lines in the log", n)
	}
	if _, err := r.ask("192.0.2.2:1", "Bearer wrong"); !api.IsReason(err, api.ReasonUnauthenticated) {
		t.Errorf("another address: %v", err)
	}
	if _, err := r.ask(here, "Bearer "+secret); err != nil {
		t.Errorf("a good token of the same address: %v", err)
	}
	for i := range 100 { // one machine has as many addresses of IPv6 as it likes
		_, err := r.ask("[2001:db8::"+strings.Repeat("1", i%4+1)+"]:1", "Bearer wrong")
		if i > 50 && !api.IsReason(err, api.ReasonTooMany) {
			t.Fatalf("attempt %d of one network: %v", i, err)
		}
	}
}

func TestDamagedTokensAdmitNobody(t *testing.T) {
	r := newRoom(t)
	secret := r.create(t, "ci", api.RoleViewer, time.Time{})
	file := filepath.Join(r.dir, "tokens.json")
	for name, text := range map[string]string{
		"empty": "", "cut": `{"version":1,"tokens":[{"name":"ci"`, "newer": `{"version":2,"tokens":[]}`, "large": strings.Repeat(" ", 2<<20),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ask(here, "Bearer "+secret); err == nil {
			t.Errorf("%s: admitted", name)
		}
		if _, err := r.ask(here, "Bearer "); err == nil {
			t.Errorf("%s: the empty token is admitted", name)
		}
		if _, err := r.tokens.List(); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := r.tokens.Create("x", api.RoleViewer, time.Now(), time.Time{}); err == nil {
			t.Errorf("%s: the damaged file was written over", name)
		}
	}
}

func TestTokensMadeAtOnceAreAllKept(t *testing.T) {
	r := newRoom(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, _, err := r.tokens.Create("t"+string(rune('a'+i)), api.RoleViewer, time.Now(), time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := r.tokens.List(); err != nil || len(list) != 20 {
		t.Errorf("%d tokens, %v", len(list), err)
	}
	if _, _, err := r.tokens.Create("ta", api.RoleViewer, time.Now(), time.Time{}); !errors.Is(err, access.ErrTaken) {
		t.Errorf("the same name again: %v", err)
	}
	for _, name := range []string{"", "-", "A", "a b", "../x", strings.Repeat("a", 41), "a\n"} {
		if _, _, err := r.tokens.Create(name, api.RoleViewer, time.Now(), time.Time{}); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	if _, _, err := r.tokens.Create("x", api.RoleAnyone, time.Now(), time.Time{}); err == nil {
		t.Error("a token for anyone was made")
	}
	if err := r.tokens.Remove("nobody"); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("an unknown one was removed: %v", err)
	}
}
