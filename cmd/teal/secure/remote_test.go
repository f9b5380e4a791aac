package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/controller/access/accesstest"
	"teal/deploy/docker/dockertest"
)

func trusting(t testing.TB, ca string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// wants is a desired state with one app.
func (h *house) wants(image string) string {
	return fmt.Sprintf("name: %s\nservices:\n  web:\n    image: %s\n    pull_policy: never\n    stop_grace_period: 2s\n"+
		"    x-teal:\n      route: {port: 8080}\n      health: {http: /health, deadline: 20s}\n      standby: 1m\n", h.project, image)
}

// TestAControllerElsewhere does an operator's and a viewer's work over the
// network.
func TestAControllerElsewhere(t *testing.T) {
	h := newHouse(t)
	v1, v2 := dockertest.Image(t, "v1", dockertest.Options{}), dockertest.Image(t, "v2", dockertest.Options{})
	h.start()
	operator, viewer := h.afar(h.token("ci", "operator")), h.afar(h.token("screen", "viewer"))
	h.write("compose.yaml", h.wants(v1))
	good := func(env []string, words string, args ...string) {
		t.Helper()
		if r := h.with(env, args...); r.code != 0 || !strings.Contains(r.out, words) {
			t.Errorf("teal %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
		}
	}
	good(operator, "", "apply", "-f", "compose.yaml")
	h.write("compose.yaml", h.wants(v2))
	good(operator, "image", "plan", "-f", "compose.yaml")
	good(operator, "", "apply", "-f", "compose.yaml")
	good(operator, "took effect", "undo", "web")
	for _, env := range [][]string{operator, viewer} {
		good(env, h.id, "version")
		good(env, h.project+"/web", "status")
		good(env, `"apps"`, "status", "-o", "json")
		good(env, "Promoted", "events")
		good(env, `"reason"`, "events", "-o", "json")
		good(env, "r-2", "history", "web")
		good(env, `"rollouts"`, "history", "-o", "json")
		good(env, "", "logs", "web")
		good(env, "", "wait", "web", "--for", "serving")
	}
	good(viewer, "by token ci (ann)", "events")
	for _, args := range [][]string{
		{"apply", "-f", "compose.yaml"},
		{"plan", "-f", "compose.yaml"},
		{"undo", "web"},
		{"retry", "web"},
		{"down", h.project, "--yes"},
	} {
		if r := h.with(viewer, args...); r.code != 1 || !strings.Contains(r.err, "the role viewer, and this needs operator") || !strings.Contains(r.err, "--role operator") {
			t.Errorf("a viewer's teal %s: %+v", strings.Join(args, " "), r)
		}
	}
	good(operator, "removed", "down", h.project, "--yes")
	h.listed(map[string]string{"ci": "operator", "screen": "viewer"})
}

// listed looks at the list of tokens.
func (h *house) listed(want map[string]string) {
	h.t.Helper()
	var list []struct {
		Name, Role, Token string
		LastUsed          time.Time `json:"last_used"`
	}
	if err := json.Unmarshal([]byte(h.teal("token", "list", "-o", "json").out), &list); err != nil || len(list) != len(want) {
		h.t.Errorf("tokens: %+v, %v", list, err)
	}
	for _, x := range list {
		if want[x.Name] != x.Role || x.Token != "" || x.LastUsed.IsZero() {
			h.t.Errorf("token: %+v", x)
		}
	}
}

// TestWhoDoesNotComeIn: bad ways in, told so that they can be mended.
func TestWhoDoesNotComeIn(t *testing.T) {
	h := newHouse(t)
	h.start()
	good := h.afar(h.token("ci", "viewer"))
	other := filepath.Join(h.folder, "other.pem")
	accesstest.Certificate(t, other, filepath.Join(h.folder, "other-key.pem"), "other")
	empty := filepath.Join(h.folder, "empty")
	h.write("empty", "\n")
	for name, c := range map[string]struct {
		env, args []string
		code      int
		words     []string
	}{
		"a wrong token":                {h.afar("teal_wrong"), nil, 1, []string{"not known here", "teal token create"}},
		"no token":                     {[]string{"TEAL_SERVER=https://" + h.server}, nil, 2, []string{"asks for a token", "TEAL_TOKEN"}},
		"an empty file":                {nil, []string{"--server", "https://" + h.server, "--token-file", empty}, 2, []string{"is empty"}},
		"no file":                      {nil, []string{"--server", "https://" + h.server, "--token-file", "/nowhere/t"}, 2, []string{"/nowhere/t"}},
		"another authority":            {append(good, "TEAL_CA="+other), nil, 1, []string{"certificate is not trusted", "--ca"}},
		"the system's":                 {append(good, "TEAL_CA="), nil, 1, []string{"certificate is not trusted", "--ca"}},
		"without TLS":                  {append(good, "TEAL_SERVER=http://10.0.0.1:1"), nil, 2, []string{"without TLS", "https://"}},
		"nobody there":                 {append(good, "TEAL_SERVER=https://127.0.0.1:1"), nil, 4, []string{"https://127.0.0.1:1", "teal run --api"}},
		"two controllers":              {good, []string{"--server", "https://" + h.server, "--socket", "x"}, 2, []string{"--server and --socket"}},
		"TLS without TLS":              {append(good, "TEAL_SERVER=http://"+h.server), nil, 1, []string{"answered 400"}},
		"typed before the environment": {append(good, "TEAL_SERVER=https://127.0.0.1:1"), []string{"--server", "https://" + h.server}, 0, nil},
		"the socket, typed":            {append(good, "TEAL_SERVER=https://127.0.0.1:1"), []string{"--socket", filepath.Join(h.state(), "teal.sock")}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.with(c.env, append([]string{"status"}, c.args...)...)
			if r.code != c.code {
				t.Errorf("%+v", r)
			}
			for _, w := range c.words {
				if !strings.Contains(r.err, w) {
					t.Errorf("%s\ndoes not say %q", r.err, w)
				}
			}
		})
	}
}

// TestATokenTakenAway is refused by the next request and ends what runs.
func TestATokenTakenAway(t *testing.T) {
	h := newHouse(t)
	h.start()
	env := h.afar(h.token("ci", "viewer"))
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	follow := h.command(ctx, "events", "--follow")
	follow.Env = append(follow.Env, env...)
	var said strings.Builder
	follow.Stderr = &said
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	h.until("the token is used", func() error {
		if r := h.with(env, "status"); r.code != 0 {
			return errors.New(r.err)
		}
		return nil
	})
	if r := h.teal("token", "remove", "ci"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := h.with(env, "status"); r.code != 1 || !strings.Contains(r.err, "not known here") {
		t.Errorf("the token is good still: %+v", r)
	}
	if err := follow.Wait(); err == nil || ctx.Err() != nil || !strings.Contains(said.String(), "not known here") {
		t.Errorf("what followed events ended with %v: %s", err, &said)
	}
	if r := h.teal("token", "remove", "ci"); r.code != 2 || !strings.Contains(r.err, "teal token list") {
		t.Errorf("removed again: %+v", r)
	}
}

// TestTheDoorItself asks the listener by hand.
func TestTheDoorItself(t *testing.T) {
	h := newHouse(t)
	h.start()
	token := h.token("ci", "viewer")
	ask := func(method, path, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "https://"+h.server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := h.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, c := range []struct {
		method, path, token string
		code                int
	}{
		{"GET", "/v1/healthz", "", 200},
		{"GET", "/v1/status", "", 401},
		{"GET", "/v1/status?token=" + token, "", 401},
		{"GET", "/metrics", "", 401},
		{"GET", "/v1//status", "", 401},
		{"GET", "/debug/pprof/", "", 401},
		{"GET", "/", "", 401},
		{"POST", "/v1/apply", token, 403},
		{"DELETE", "/v1/projects/x", token, 403},
		{"GET", "/metrics", token, 200},
		{"GET", "/v1/status", token, 200},
		{"HEAD", "/v1/status", token, 200},
	} {
		if code, body := ask(c.method, c.path, c.token); code != c.code {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, body)
		}
	}
	accesstest.Certificate(t, h.cert, h.key, "renewed")
	if code, _ := ask("GET", "/v1/healthz", ""); code != 200 {
		t.Errorf("with the renewed certificate: %d", code)
	}
	if strings.Contains(h.logged(), token) {
		t.Error("the log holds the token")
	}
	slowHead(t, h)
}

// slowHead sends a request's head a byte at a time; it is cut off.
func slowHead(t *testing.T, h *house) {
	t.Helper()
	c, err := tls.Dial("tcp", h.server, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(c)
		ended <- err
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		select {
		case err := <-ended:
			if err != nil && errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
			return
		case <-end:
			t.Fatal("a head that never ends is waited for")
		case <-tick.C:
			_, _ = io.WriteString(c, "G") // the reader sees the end
		}
	}
}
