package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret = "correct-horse-battery-staple"
	token  = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
	push   = `{"before":"0","ref":"refs/heads/main","commits":[{"ref":"refs/heads/evil"}]}`
)

// stand is a handler behind a real server, and what it asked to be looked at.
type stand struct {
	t      *testing.T
	url    string
	file   string
	mu     sync.Mutex
	synced []string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, file: filepath.Join(t.TempDir(), "secret")}
	s.secrets(secret)
	var hooks []Hook
	for _, k := range Kinds() {
		hooks = append(hooks, Hook{Source: string(k), Kind: k, SecretFile: s.file, Follows: func(ref string) bool { return ref == "refs/heads/main" }})
	}
	h, err := New(Options{Hooks: hooks, Metrics: prometheus.NewRegistry(), Sync: func(source string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.synced = append(s.synced, source)
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	s.url = server.URL
	return s
}

func (s *stand) secrets(lines ...string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// call makes a call and returns its status and text.
func (s *stand) call(source string, body io.Reader, headers ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/hooks/"+source, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		key, value, _ := strings.Cut(h, ": ")
		req.Header.Add(key, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// looked returns what was to be looked at since it was asked last.
func (s *stand) looked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.synced, " ")
	s.synced = nil
	return out
}

func sum(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// signed are the headers of a genuine call.
func signed(k Kind, secret, body string) []string {
	at := fmt.Sprint(time.Now().Unix())
	digits := hex.EncodeToString(sum([]byte(secret), body))
	switch k {
	case GitHub:
		return []string{"X-Hub-Signature-256: sha256=" + digits, "X-GitHub-Event: push", "X-GitHub-Delivery: 1"}
	case Gitea:
		return []string{"X-Gitea-Signature: " + digits, "X-Gitea-Event: push"}
	case GitLab:
		return []string{"X-Gitlab-Token: " + secret, "X-Gitlab-Event: Push Hook"}
	case Generic:
		return []string{"X-Teal-Timestamp: " + at, "X-Teal-Signature: sha256=" + hex.EncodeToString(sum([]byte(secret), at+"."+body))}
	}
	return nil
}

func TestGenuineCalls(t *testing.T) {
	for _, k := range Kinds() {
		t.Run(string(k), func(t *testing.T) {
			s := newStand(t)
			headers := signed(k, secret, push)
			if status, text := s.call(string(k), strings.NewReader(push), headers...); status != http.StatusAccepted || s.looked() != string(k) {
				t.Errorf("a push: %d %s", status, text)
			}
			if status, _ := s.call(string(k), strings.NewReader(push), append(headers, "X-GitHub-Delivery: 2", "X-Request-Id: 2")...); status != http.StatusConflict || s.looked() != "" {
				t.Errorf("the same again: %d", status)
			}
			other := strings.Replace(push, "main", "dev", 1)
			if status, text := s.call(string(k), strings.NewReader(other), signed(k, secret, other)...); status != http.StatusAccepted || !strings.Contains(text, "not followed") || s.looked() != "" {
				t.Errorf("another branch: %d %s", status, text)
			}
			form := "payload=%7B%22ref%22"
			if status, _ := s.call(string(k), strings.NewReader(form), signed(k, secret, form)...); status != http.StatusAccepted || s.looked() != string(k) {
				t.Errorf("a body that does not say which ref: %d", status)
			}
		})
	}
	s := newStand(t)
	ping := append(signed(GitHub, secret, "{}")[:1], "X-GitHub-Event: ping")
	if status, text := s.call("github", strings.NewReader("{}"), ping...); status != http.StatusOK || text != "pong\n" || s.looked() != "" {
		t.Errorf("ping: %d %s", status, text)
	}
	forgejo := []string{"X-Forgejo-Signature: " + hex.EncodeToString(sum([]byte(secret), push)), "X-Gitea-Signature: 00"}
	if status, _ := s.call("gitea", strings.NewReader(push), forgejo...); status != http.StatusAccepted || s.looked() != "gitea" {
		t.Errorf("Forgejo: %d", status)
	}
}

func TestSigningTokensOfGitLab(t *testing.T) {
	s := newStand(t)
	s.secrets(token)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(token, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(id string, at time.Time) int {
		stamp := fmt.Sprint(at.Unix())
		status, _ := s.call("gitlab", strings.NewReader(push), "Webhook-Id: "+id, "Webhook-Timestamp: "+stamp, "X-Gitlab-Event: Push Hook",
			"Webhook-Signature: v1,"+base64.StdEncoding.EncodeToString(sum(key, id+"."+stamp+"."+push)))
		return status
	}
	if status := call("a", time.Now()); status != http.StatusAccepted || s.looked() != "gitlab" {
		t.Errorf("signed: %d", status)
	}
	if status := call("b", time.Now().Add(-10*time.Minute)); status != http.StatusConflict || s.looked() != "" {
		t.Errorf("signed ten minutes ago: %d", status)
	}
	if status := call("a.b", time.Now()); status != http.StatusUnauthorized {
		t.Errorf("an id with a dot: %d", status)
	}
	if status, _ := s.call("gitlab", strings.NewReader(push), "X-Gitlab-Token: "+secret); status != http.StatusUnauthorized {
		t.Errorf("the old token: %d", status)
	}
}

func TestWhoDoesNotKnowTheSecretLearnsNothing(t *testing.T) {
	wrong := "another-secret-of-this-length"
	answers := map[string]bool{}
	for name, headers := range map[string][]string{
		"github": signed(GitHub, wrong, push), "gitea": signed(Gitea, wrong, push), "gitlab": signed(GitLab, wrong, push), "generic": signed(Generic, wrong, push),
		"no-such-source": signed(GitHub, secret, push), "": nil, "github?": nil, "GITHUB": signed(GitHub, secret, push),
	} {
		s := newStand(t)
		for _, h := range [][]string{headers, nil, {"X-Hub-Signature: sha1=00"}, {"X-Gitlab-Token: "}, {"X-Hub-Signature-256: sha256="}} {
			status, text := s.call(name, strings.NewReader(push), h...)
			answers[fmt.Sprint(status, text)] = true
		}
		if got := s.looked(); got != "" {
			t.Errorf("%s: %s is looked at", name, got)
		}
	}
	if len(answers) != 1 || !answers["401"+refused.words+"\n"] && !answers["401 "+refused.words+"\n"] {
		t.Errorf("answers differ: %v", answers)
	}
	s := newStand(t)
	good := signed(GitHub, secret, push)
	if status, _ := s.call("github", strings.NewReader(push), append(good, good[0])...); status != http.StatusUnauthorized {
		t.Errorf("two signatures: %d", status)
	}
	if status, _ := s.call("github", strings.NewReader(push+" "), good...); status != http.StatusUnauthorized {
		t.Errorf("a body that was not signed: %d", status)
	}
	if status, _ := s.call("generic", strings.NewReader(push), signed(GitHub, secret, push)...); status != http.StatusUnauthorized {
		t.Errorf("a signature of another kind: %d", status)
	}
	resp, err := http.Get(s.url + "/hooks/github")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

func TestSecretsRotate(t *testing.T) {
	s := newStand(t)
	next := "the-secret-of-next-month"
	s.secrets("", "short", secret, next)
	for i, given := range []string{secret, next} {
		body := fmt.Sprintf(`{"n":%d}`, i)
		if status, _ := s.call("github", strings.NewReader(body), signed(GitHub, given, body)...); status != http.StatusAccepted {
			t.Errorf("%s: %d", given, status)
		}
	}
	s.secrets(next)
	if status, _ := s.call("github", strings.NewReader("{}"), signed(GitHub, secret, "{}")...); status != http.StatusUnauthorized {
		t.Errorf("the old one: %d", status)
	}
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.call("github", strings.NewReader("{}"), signed(GitHub, next, "{}")...); status != http.StatusUnauthorized {
		t.Errorf("without a file: %d", status)
	}
	for file, words := range map[string]string{s.file: "no such file", filepath.Join(t.TempDir(), "short"): "at least 16 bytes"} {
		if words != "no such file" {
			if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := New(Options{Hooks: []Hook{{Source: "a", Kind: GitHub, SecretFile: file}}}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
	if _, err := New(Options{Hooks: []Hook{{Source: "a", Kind: "bitbucket"}}}); err == nil {
		t.Errorf("an unknown kind was taken")
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	s := newStand(t)
	if status, _ := s.call("github", io.LimitReader(zeros{}, maxBody+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d", status)
	}
	big := `{"ref":"refs/heads/main","x":"` + strings.Repeat("x", 20<<20) + `"}`
	if status, _ := s.call("github", strings.NewReader(big), signed(GitHub, secret, big)...); status != http.StatusAccepted || s.looked() != "github" {
		t.Errorf("a body of 20 MiB: %d", status)
	}
	statuses := map[int]int{}
	for range 40 {
		status, _ := s.call("github", strings.NewReader("{}"))
		statuses[status]++
	}
	if statuses[http.StatusUnauthorized] < 5 || statuses[http.StatusTooManyRequests] < 20 {
		t.Errorf("40 wrong calls: %v", statuses)
	}
	statuses = map[int]int{}
	for i := range 60 {
		body := fmt.Sprintf(`{"n":%d}`, i)
		status, _ := s.call("github", strings.NewReader(body), signed(GitHub, secret, body)...)
		statuses[status]++
	}
	if statuses[http.StatusAccepted] < 20 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("60 right calls, from an address that was wrong before: %v", statuses)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestMemoryIsBounded(t *testing.T) {
	var m seen
	var b bucket
	b.burst, b.each = 1, time.Second
	at := time.Now()
	for i := range 3 * mostSeen {
		if m.again(sha256.Sum256(fmt.Append(nil, i)), at) {
			t.Fatalf("%d was seen", i)
		}
		b.lets(fmt.Sprint(i), at)
	}
	if len(m.at) > mostSeen || len(m.order) > mostSeen || len(b.at) > mostNames+1 {
		t.Errorf("%d calls, %d names", len(m.at), len(b.at))
	}
	last := sha256.Sum256(fmt.Append(nil, 3*mostSeen-1))
	if !m.again(last, at) || m.again(last, at.Add(25*time.Hour)) {
		t.Errorf("it is not remembered for a day")
	}
}

func TestRefOf(t *testing.T) {
	for body, want := range map[string]string{
		push: "refs/heads/main", `{"a":{"ref":"x"},"b":[{"ref":"y"}],"ref":"z"}`: "z", `{"a":{"ref":"x"}}`: "",
		`[{"ref":"x"}]`: "", `"ref"`: "", "": "", `{"ref":3}`: "", `{"ref":["x"]}`: "", `{"a":"` + strings.Repeat("x", 70000): "", `{"ref"`: "",
	} {
		if got := refOf([]byte(body)); got != want {
			t.Errorf("%.60s: %q, want %q", body, got, want)
		}
	}
}

func FuzzCalls(f *testing.F) {
	file := filepath.Join(f.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Add("github", "X-Hub-Signature-256", "sha256=00", []byte(push))
	f.Add("generic", "X-Teal-Timestamp", "1", []byte(push))
	f.Add("gitlab", "Webhook-Signature", "v1,AAAA", []byte("{"))
	f.Fuzz(func(t *testing.T, name, header, value string, body []byte) {
		var hooks []Hook
		for _, k := range Kinds() {
			hooks = append(hooks, Hook{Source: string(k), Kind: k, SecretFile: file})
		}
		h, err := New(Options{Hooks: hooks, Sync: func(source string) {
			if value != secret {
				t.Errorf("%s is looked at: %s: %s", source, header, value)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/hooks/x", bytes.NewReader(body))
		r.URL.Path = "/hooks/" + name
		r.Header[http.CanonicalHeaderKey(header)] = []string{value}
		h.ServeHTTP(httptest.NewRecorder(), r)
		refOf(body)
	})
}
