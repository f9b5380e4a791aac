package commitstatus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "HUSHHUSH"

// forge is a host that refuses what the real one refuses.
type forge struct {
	kind string
	at   string

	mu     sync.Mutex
	has    map[string]string // commit and context → state
	got    []string          // "commit context state: description"
	asked  int
	reply  func(asked int, w http.ResponseWriter) bool // true: it answered
	target string
}

func newForge(t *testing.T, kind string) *forge {
	t.Helper()
	f := &forge{kind: kind, has: map[string]string{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.at = s.URL
	return f
}

var forges = map[string]struct {
	path   *regexp.Regexp
	states []string
	header string
	value  string
}{
	"github": {regexp.MustCompile(`^/api/v3/repos/ops/shop/statuses/([0-9a-f]{40})$`), []string{"error", "failure", "pending", "success"}, "Authorization", "Bearer " + token},
	"gitlab": {regexp.MustCompile(`^/api/v4/projects/ops%2Fshop/statuses/([0-9a-f]{40})$`), []string{"pending", "running", "success", "failed", "canceled"}, "Private-Token", token},
	"gitea":  {regexp.MustCompile(`^/api/v1/repos/ops/shop/statuses/([0-9a-f]{40})$`), []string{"pending", "success", "error", "failure", "warning"}, "Authorization", "token " + token},
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.reply != nil && f.reply(f.asked, w) {
		return
	}
	rules := forges[f.kind]
	found := rules.path.FindStringSubmatch(r.URL.EscapedPath())
	var body struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		Target      string `json:"target_url"`
		Ref         string `json:"ref"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	refuse := func(code int, words string) { http.Error(w, `{"message":"`+words+`"}`, code) }
	switch {
	case r.Header.Get(rules.header) != rules.value:
		refuse(http.StatusUnauthorized, "Bad credentials: "+r.Header.Get(rules.header))
	case found == nil || r.Method != http.MethodPost:
		refuse(http.StatusNotFound, "Not Found")
	case r.Header.Get("User-Agent") == "" || err != nil:
		refuse(http.StatusBadRequest, "bad body")
	case !slices.Contains(rules.states, body.State):
		refuse(http.StatusUnprocessableEntity, "state is not included in the list")
	case len([]rune(body.Description)) > 140:
		refuse(http.StatusUnprocessableEntity, "description is too long (maximum is 140 characters)")
	case f.kind == "gitlab" && body.State == "pending" && f.has[found[1]+body.Context] == "pending":
		refuse(http.StatusBadRequest, `Cannot transition status via :enqueue from :pending`)
	case f.kind != "gitlab" && body.Ref != "", f.kind == "gitlab" && body.Ref != "main":
		refuse(http.StatusUnprocessableEntity, "ref")
	default:
		f.has[found[1]+body.Context], f.target = body.State, body.Target
		f.got = append(f.got, fmt.Sprintf("%s %s %s: %s", found[1][:2], body.Context, body.State, body.Description))
		w.WriteHeader(http.StatusCreated)
	}
}

func (f *forge) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func private(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func service(t *testing.T, f *forge) *Service {
	t.Helper()
	s, err := Parse(Config{Kind: f.kind, Repository: "ssh://git@example.com:2222/ops/shop.git", URL: f.at, TokenFile: private(t, token+"\n"), Target: "https://status.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hash(letter string) string { return strings.Repeat(letter, 40) }

func TestEveryHostTakesEveryState(t *testing.T) {
	for kind := range forges {
		f := newForge(t, kind)
		s := service(t, f)
		for _, state := range []State{Pending, Success, Failure, Superseded} {
			r := report{commit: hash("a"), ref: "refs/heads/main", context: "teal/shop/web", state: state, words: strings.Repeat("é ", 200)}
			for range 2 { // again is well, too
				if err := s.write(t.Context(), r); err != nil {
					t.Errorf("%s refused %s: %v", kind, state, err)
				}
			}
		}
		if f.target != "https://status.example.com/" {
			t.Errorf("%s: it leads to %s", kind, f.target)
		}
	}
}

func TestWhereAHostIs(t *testing.T) {
	file := private(t, token)
	for _, c := range []struct{ kind, repository, url, want string }{
		{"github", "https://github.com/ops/shop.git", "", "https://api.github.com/repos/ops/shop/statuses/a"},
		{"github", "git@github.com:ops/shop.git", "", "https://api.github.com/repos/ops/shop/statuses/a"},
		{"github", "ssh://git@git.example.com:2222/ops/shop", "", "https://git.example.com/api/v3/repos/ops/shop/statuses/a"},
		{"github", "https://github.com/ops/shop", "https://api.github.com", "https://api.github.com/repos/ops/shop/statuses/a"},
		{"gitlab", "https://gitlab.com/a/b/shop.git", "", "https://gitlab.com/api/v4/projects/a%2Fb%2Fshop/statuses/a"},
		{"gitlab", "https://example.com/gitlab/a/shop.git", "https://example.com/gitlab", "https://example.com/gitlab/api/v4/projects/a%2Fshop/statuses/a"},
		{"gitea", "https://git.example.com:3000/ops/shop.git", "", "https://git.example.com:3000/api/v1/repos/ops/shop/statuses/a"},
		{"gitea", "file:///srv/git/ops/shop.git", "http://127.0.0.1:3000/api/v1/", "http://127.0.0.1:3000/api/v1/repos/ops/shop/statuses/a"},
	} {
		s, err := Parse(Config{Kind: c.kind, Repository: c.repository, URL: c.url, TokenFile: file})
		if err != nil {
			t.Errorf("%s: %v", c.repository, err)
		} else if got := s.address("a"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.repository, got, c.want)
		}
	}
}

func TestMistakesInStatuses(t *testing.T) {
	file, open := private(t, token), filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte(token), 0o644); err != nil {
		t.Fatal(err)
	}
	const shop = "https://example.com/ops/shop.git"
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Kind: "bitbucket", Repository: shop, TokenFile: file}, "none of github, gitlab, gitea"},
		{Config{Kind: "github", Repository: shop}, "a token that may write statuses is needed"},
		{Config{Kind: "github", Repository: shop, TokenFile: open}, "chmod 600"},
		{Config{Kind: "github", Repository: shop, TokenFile: private(t, "\n")}, "does not hold one token"},
		{Config{Kind: "github", Repository: "https://example.com/shop.git", TokenFile: file}, "not in owner/name"},
		{Config{Kind: "gitea", Repository: "https://example.com/a/b/c.git", TokenFile: file}, "not in owner/name"},
		{Config{Kind: "gitea", Repository: "file:///srv/git/ops/shop.git", TokenFile: file}, "say where the API is"},
		{Config{Kind: "gitea", Repository: shop, TokenFile: file, URL: "https://u:p@example.com"}, "status_url"},
		{Config{Kind: "gitea", Repository: shop, TokenFile: file, Target: "example.com"}, "status_target"},
	} {
		if _, err := Parse(c.config); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
