package api_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/spec"
)

// decided is who may use what. A new endpoint has to be written here too: that
// is the decision.
var decided = map[string]api.Role{
	"/":                        "viewer",
	"GET /metrics":             "viewer",
	"GET /v1/healthz":          "anyone",
	"GET /v1/version":          "viewer",
	"GET /v1/status":           "viewer",
	"GET /v1/events":           "viewer",
	"GET /v1/commands/{token}": "viewer",
	"GET /v1/apps/{project}/{service}/history":   "viewer",
	"GET /v1/apps/{project}/{service}/logs":      "viewer",
	"POST /v1/apps/{project}/{service}/commands": "operator",
	"GET /v1/backup":                "operator",
	"POST /v1/plan":                 "operator",
	"POST /v1/apply":                "operator",
	"POST /v1/sync":                 "operator",
	"DELETE /v1/projects/{project}": "operator",
}

// door is a gate whose tokens are the names of roles.
type door struct{ shut atomic.Bool }

func (d *door) Admit(r *http.Request) (api.Caller, error) {
	given := r.Header.Get("Authorization")
	if given == "" {
		return api.Caller{}, &api.Error{Reason: api.ReasonUnauthenticated, Message: "no token"}
	}
	return api.Caller{Name: "ci", Role: api.Role(strings.TrimPrefix(given, "Bearer "))}, nil
}

func (d *door) Stands(api.Caller) bool { return !d.shut.Load() }

// guarded is the API behind a door.
func guarded(f *apitest.Fake, d *door) http.Handler {
	return api.NewHandler(f, api.Options{Logger: slog.New(slog.DiscardHandler), Gate: d, Metrics: http.NotFoundHandler(), Backup: func(io.Writer) error { return nil }, Refresh: 20 * time.Millisecond})
}

func TestEveryEndpointHasARole(t *testing.T) {
	if !maps.Equal(api.Needs(), decided) {
		t.Errorf("the table of roles is\n%v\nand what was decided is\n%v", api.Needs(), decided)
	}
}

func TestRolesAreAskedFor(t *testing.T) {
	h := guarded(fake(), &door{})
	for pattern, need := range decided {
		method, path, found := strings.Cut(pattern, " ")
		if !found {
			method, path = http.MethodGet, "/v1/nothing"
		}
		path = regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, "x")
		for _, role := range []api.Role{"", "viewer", "operator", "admin", "Operator"} {
			r := httptest.NewRequest(method, path, nil)
			if role != "" {
				r.Header.Set("Authorization", "Bearer "+string(role))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := 0
			switch {
			case need == "anyone", role == "operator", role == need:
			case role == "":
				want = http.StatusUnauthorized
			default:
				want = http.StatusForbidden
			}
			refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden
			if want != 0 && w.Code != want || want == 0 && refused {
				t.Errorf("%s as %q: %d %s", pattern, role, w.Code, w.Body)
			}
			if want == http.StatusUnauthorized && (w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Connection") != "close") {
				t.Errorf("%s: headers %v", pattern, w.Header())
			}
		}
	}
}

func TestWhoComesFromAfarCannotSayItIsAnother(t *testing.T) {
	f := fake()
	h := guarded(f, &door{})
	body, err := json.Marshal(api.ApplyRequest{By: "root) (x\n", Project: spec.Project{
		Name: "p", Services: []spec.Service{{Name: spec.Name{Project: "p", Service: "s"}}}, Source: spec.Source{Files: []string{"/compose.yaml"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/apply", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer operator")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := f.Applied()[0]
	if got.By != "token ci (root x)" {
		t.Errorf("it is by %q", got.By)
	}
	if got.Project.Source.Dir() != "" {
		t.Errorf("the folder %s of another machine is believed", got.Project.Source.Dir())
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	d := &door{}
	server := httptest.NewServer(guarded(fake(), d))
	defer server.Close()
	client, err := api.DialRemote(api.Remote{URL: server.URL, Token: "viewer"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lines := 0
	err = client.FollowStatus(t.Context(), spec.Name{}, func(api.StatusList) error {
		lines++
		d.shut.Store(true)
		return nil
	})
	if lines == 0 || !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("%d lines, ended with %v", lines, err)
	}
}

func TestAddressesOfControllers(t *testing.T) {
	for url, words := range map[string]string{
		"https://teal.example.com:7443":  "",
		"https://teal.example.com:7443/": "",
		"http://127.0.0.1:7443":          "",
		"http://[::1]:7443":              "",
		"http://localhost:7443":          "",
		"http://10.0.0.1:7443":           "without TLS",
		"http://127.0.0.1.example.com":   "without TLS",
		"https://u:p@teal.example.com":   "holds a user name",
		"ftp://x":                        "is not the address",
		"teal.example.com:7443":          "is not the address",
		"https://":                       "is not the address",
		"https://x/path":                 "is not the address",
		"https://x?token=y":              "is not the address",
		"::":                             "is not a URL",
	} {
		client, err := api.DialRemote(api.Remote{URL: url, Token: "t"})
		switch {
		case words == "" && err != nil, words != "" && (err == nil || !strings.Contains(err.Error(), words)):
			t.Errorf("%s: %v", url, err)
		case err == nil:
			client.Close()
		}
	}
	for _, token := range []string{"", "a\r\nX: y", "ä"} {
		if _, err := api.DialRemote(api.Remote{URL: "https://x", Token: token}); err == nil || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the token %q: %v", token, err)
		}
	}
}

func TestATokenIsNotSentOn(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	client, err := api.DialRemote(api.Remote{URL: server.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Version(t.Context()); err == nil || asked != 0 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}
