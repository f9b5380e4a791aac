package secure

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/bcrypt"

	"teal/deploy/docker/dockertest"
)

// planted are the secrets of a house, by where they were put.
type planted map[string]string

// plant makes a secret that is nowhere else.
func (p planted) plant(where string) string {
	if p[where] == "" {
		p[where] = "s3cr3t" + dockertest.Unique() + dockertest.Unique()
	}
	return p[where]
}

// in returns which secrets a text holds.
func (p planted) in(text []byte) []string {
	var out []string
	for where, secret := range p {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
			if bytes.Contains(text, []byte(form)) {
				out = append(out, where)
				break
			}
		}
	}
	return out
}

// lines returns those of a text that hold secrets, cut short.
func (p planted) lines(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if len(p.in([]byte(line))) > 0 {
			out = append(out, line[:min(len(line), 300)])
		}
	}
	return strings.Join(out[:min(len(out), 20)], "\n")
}

// TestSecretsStayWhereTheyArePut plants secrets, makes all kinds of things
// happen, and looks through all that came out.
func TestSecretsStayWhereTheyArePut(t *testing.T) {
	h, p := newHouse(t), planted{}
	registry := h.registry(p)
	h.identity(p)
	ref, _ := registry.Push(t, h.project+"/web:1", dockertest.Options{})
	h.env = append(h.env, "TEAL_VARIABLES=FROM_SETTINGS="+p.plant("a variable of the settings"), "UNRELATED="+p.plant("the controller's environment"))
	h.start()
	for _, n := range []string{"ci", "other"} {
		p["the token "+n] = h.token(n, "operator")
	}
	h.said.Reset() // a new token is shown, this once
	p["the host key"] = h.hostKey()
	key, err := os.ReadFile(h.key)
	if err != nil {
		t.Fatal(err)
	}
	p["the key of TLS"] = strings.Split(string(key), "\n")[1]

	h.deployments(p, ref)
	h.refusals(p, registry.Address)
	h.everyVerb(p)
	h.everyEndpoint(p)

	if found := p.in([]byte(h.said.String())); len(found) > 0 {
		t.Errorf("what verbs printed holds %q:\n%s", found, p.lines(h.said.String()))
	}
	if found := p.in([]byte(h.logged())); len(found) > 0 {
		t.Errorf("the log holds %q:\n%s", found, p.lines(h.logged()))
	}
	h.stateFolder(p)
}

// registry starts one that asks for a password, which the controller has, and
// one that the controller has a wrong password for.
func (h *house) registry(p planted) *dockertest.RegistryServer {
	h.t.Helper()
	password := p.plant("the registry's password")
	sum, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		h.t.Fatal(err)
	}
	with := &dockertest.Credentials{User: "user", Password: password, Hash: string(sum)}
	server, other := dockertest.Registry(h.t, with), dockertest.Registry(h.t, with)
	p["the registry's password, encoded"] = base64.StdEncoding.EncodeToString([]byte("user:" + password))
	wrong := base64.StdEncoding.EncodeToString([]byte("user:" + p.plant("a wrong password")))
	p["a wrong password, encoded"] = wrong
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`, server.Address, p["the registry's password, encoded"], other.Address, wrong)
	if err := os.Mkdir(filepath.Join(h.folder, "docker"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.write("docker/config.json", config)
	h.write("denied", other.Address)
	h.env = append(h.env, "DOCKER_CONFIG="+filepath.Join(h.folder, "docker"))
	return server
}

// wish is a desired state with a secret in every place that may hold one. The
// secrets of each round are others, so that every edit is a change of them.
func (h *house) wish(p planted, image, round string, env ...string) {
	h.t.Helper()
	secret := func(where string) string { return p.plant(where + ", " + round) }
	command, deadline := "/app", "60s"
	switch round {
	case "missing image", "denied": // it would tell what it does not know
		command = "/app, " + secret("command")
	case "unhealthy":
		deadline = "2s"
	}
	h.write(".env", "FROM_DOTENV="+secret(".env")+"\n")
	h.write("app.env", "APP_PASSWORD="+secret("an env file")+"\n")
	h.encrypt("secret.age", secret("a secret file"))
	h.encrypt("app.env.age", "APP_KEY="+secret("an encrypted env file")+"\n")
	h.write("compose.yaml", fmt.Sprintf(`name: %s
services:
  web:
    image: %s
    stop_grace_period: 1s
    env_file: [app.env, app.env.age]
    secrets: [file, {source: variable, target: /etc/variable, mode: 0400}]
    environment:
      PASSWORD: %s
      HTTP_PROXY: http://user:%s@proxy.invalid:3128
      DOTENV: ${FROM_DOTENV}
      SETTINGS: ${FROM_SETTINGS}
      %s
    command: [%s]
    entrypoint: []
    healthcheck: {test: [CMD, /app, smoke, "http://127.0.0.1:8080/?%s"]}
    logging: {driver: json-file, options: {tag: %s}}
    x-teal:
      route: {port: 8080, preview: {token: %s}}
      health: {http: "/health?key=%s", headers: {Authorization: "Bearer %s"}, deadline: %s}
      test: {command: [/app, nothing, "--password=%s"], environment: {TEST_PASSWORD: %s}}
      standby: 1m
secrets: {file: {file: secret.age}, variable: {environment: FROM_DOTENV}}
`, h.project, image, secret("environment"), secret("a URL's password"), strings.Join(append(env, "ROUND: "+round), "\n      "),
		command, secret("a healthcheck"), secret("an option of logging"), secret("a preview's token"), secret("a probe's query"),
		secret("a probe's header"), deadline, secret("a test's command"), secret("a test's environment")))
}

// identity makes the key that encrypts files of the desired state.
func (h *house) identity(p planted) {
	h.t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		h.t.Fatal(err)
	}
	p["the age identity"] = key.String()
	h.write("identity", key.String()+"\n")
	h.recipient = key.Recipient()
	h.env = append(h.env, "TEAL_AGE_IDENTITY="+filepath.Join(h.folder, "identity"))
}

// hostKey is what the records are encrypted with.
func (h *house) hostKey() string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.state(), "host.key"))
	if err != nil {
		h.t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(text), "teal-host-key-1 ")
	return strings.TrimSpace(key)
}

// encrypt writes a file that the identity opens.
func (h *house) encrypt(name, text string) {
	h.t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, h.recipient)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.write(name, out.String())
}

// deployments make a good, a failing, a crashing and an undone rollout.
func (h *house) deployments(p planted, image string) {
	h.t.Helper()
	apply := func(codes ...int) {
		h.t.Helper()
		for _, verb := range []string{"plan", "apply"} {
			if r := h.teal(verb, "-f", "compose.yaml", "-o", "json"); verb == "apply" && !slices.Contains(codes, r.code) {
				h.t.Fatalf("teal %s: %+v", verb, r)
			}
			if verb == "plan" {
				h.teal("plan", "-f", "compose.yaml")
			}
		}
	}
	h.wish(p, image, "first")
	// The test fails. What it wrote is kept as evidence.
	apply(1)
	h.noTest(p, image, "second")
	apply(0)
	h.noTest(p, image, "unhealthy", "HEALTH_STATUS: '503'")
	apply(1)
	h.noTest(p, image, "crashing", "BREAK: exit")
	apply(1)
	h.noTest(p, strings.TrimSuffix(image, "1")+"2", "missing image")
	apply(1)
	h.noTest(p, image, "fourth")
	apply(0)
	if r := h.teal("undo", "web"); r.code != 0 {
		h.t.Fatalf("%+v", r)
	}
}

// noTest is wish without the test.
func (h *house) noTest(p planted, image, round string, env ...string) {
	h.t.Helper()
	h.wish(p, image, round, env...)
	text, err := os.ReadFile(filepath.Join(h.folder, "compose.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "test:") {
			kept = append(kept, line)
		}
	}
	h.write("compose.yaml", strings.Join(kept, ""))
}

// refusals are mistakes beside secrets.
func (h *house) refusals(p planted, registry string) {
	h.t.Helper()
	denied, err := os.ReadFile(filepath.Join(h.folder, "denied"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.noTest(p, string(denied)+"/"+h.project+"/web:1", "denied")
	refused := func(words string, args ...string) {
		h.t.Helper()
		if r := h.teal(args...); r.code == 0 || !strings.Contains(r.out+r.err, words) {
			h.t.Errorf("teal %s: %+v\ndoes not say %q", strings.Join(args, " "), r, words)
		}
	}
	h.teal("plan", "-f", "compose.yaml")
	refused("ImageDenied", "apply", "-f", "compose.yaml", "--timeout", "60s")
	for name, edit := range map[string][2]string{
		"a bad line of an env file": {"app.env", "A=1\n" + p.plant("a bad line") + " : x\nB='" + p.plant("an open quote") + "\n"},
		"a bad line of .env":        {".env", "A B " + p.plant("a bad line of .env") + "\n"},
		"a bad encrypted line":      {"app.env.age", "A B " + p.plant("a bad encrypted line") + "\n"},
	} {
		h.noTest(p, registry+"/x:1", name)
		write := h.write
		if strings.HasSuffix(edit[0], ".age") {
			write = h.encrypt
		}
		write(edit[0], edit[1])
		refused("not a valid line", "plan", "-f", "compose.yaml")
	}
	h.noTest(p, registry+"/x:1", "bad types")
	for from, to := range map[string]string{
		"environment:\n": "environment:\n      BAD: {a: " + p.plant("a mapping as variable") + "}\n",
		"deadline: 60s":  "deadline: 60s, headerz: {A: " + p.plant("a header under an unknown key") + "}",
	} {
		text, err := os.ReadFile(filepath.Join(h.folder, "compose.yaml"))
		if err != nil {
			h.t.Fatal(err)
		}
		h.write("bad.yaml", strings.Replace(string(text), from, to, 1))
		refused("bad.yaml", "apply", "-f", "bad.yaml")
	}
	for _, text := range []string{
		"services: {web: {image: \"" + p.plant("an encrypted image") + " x\"}}",
		"services: {web: {image: x, stop_grace_period: " + p.plant("an encrypted duration") + "}}",
	} {
		h.encrypt("bad.yaml", text)
		refused("(hidden)", "plan", "-f", "bad.yaml")
	}
	secret := p.plant("a URL's password in the settings")
	for _, args := range [][]string{
		{"run", "--host", "a=ssh://u:" + secret + "@127.0.0.1"},
		{"run", "--host", "a=tcp://u:" + secret + "@127.0.0.1:1"},
		{"run", "--docker", "tcp://u:" + secret + "@127.0.0.1:1"},
		{"run", "--proxy-host", "ssh://u:" + secret + "@127.0.0.1"},
		{"status", "--server", "https://u:" + secret + "@127.0.0.1:1"},
	} {
		before := h.said.String()
		r := h.with([]string{"TEAL_STATE=" + filepath.Join(h.folder, "other")}, args...)
		if r.code == 0 || len(p.in([]byte(r.out+r.err))) > 0 {
			h.t.Errorf("teal %s: %+v", args[0], r)
		}
		h.said.Reset() // what was typed is no answer
		h.said.WriteString(before)
	}
}

// everyVerb asks for everything, in both forms.
func (h *house) everyVerb(p planted) {
	h.t.Helper()
	for _, env := range [][]string{nil, h.afar(p["the token ci"])} {
		for _, args := range [][]string{
			{"status"},
			{"version"},
			{"events", "--tail", "1000"},
			{"history", "web"},
			{"logs", "web", "--tail", "1000"},
			{"logs", "web", "--rollout", "r-1"},
			{"logs", "web", "--rollout", "r-5"},
		} {
			for _, form := range [][]string{nil, {"-o", "json"}} {
				if r := h.with(env, append(args, form...)...); r.code != 0 {
					h.t.Errorf("teal %s: %+v", strings.Join(args, " "), r)
				}
			}
		}
	}
	for _, form := range [][]string{nil, {"-o", "json"}} {
		h.teal(append([]string{"doctor", "--http", h.proxy}, form...)...)
		h.teal(append([]string{"token", "list"}, form...)...)
	}
	for _, words := range []string{"(hidden)", "(changed)", "ImageNotFound", "503", "took effect", "TestFailed"} {
		if !strings.Contains(h.said.String()+h.logged(), words) {
			h.t.Errorf("nothing said %q: what was to be looked through did not happen", words)
		}
	}
}

// everyEndpoint asks the API, at the socket and over the network.
func (h *house) everyEndpoint(p planted) {
	h.t.Helper()
	socket := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(h.state(), "teal.sock"))
	}}}
	app := "/v1/apps/" + h.project + "/web"
	for _, path := range []string{
		"/v1/status", "/v1/events", "/v1/version", "/v1/healthz", "/metrics", app + "/history", app + "/logs?tail=1000", "/v1/commands/none", "/nothing",
	} {
		for base, client := range map[string]*http.Client{"http://teal": socket, "https://" + h.server: h.client()} {
			req, err := http.NewRequest(http.MethodGet, base+path, nil)
			if err != nil {
				h.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+p["the token other"])
			res, err := client.Do(req)
			if err != nil {
				h.t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil || len(body) == 0 {
				h.t.Errorf("%s: %d bytes, %v", path, len(body), err)
			}
			if found := p.in(body); len(found) > 0 {
				h.t.Errorf("%s holds %q", path, found)
			}
		}
	}
}

// stateFolder looks at modes, and at who keeps what.
func (h *house) stateFolder(p planted) {
	h.t.Helper()
	files := 0
	err := filepath.WalkDir(h.state(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			h.t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.Type().IsRegular() {
			return nil
		}
		files++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, where := range p.in(data) {
			kept := strings.HasPrefix(where, "a preview's token") || where == "the host key" && filepath.Base(path) == "host.key"
			if !kept {
				h.t.Errorf("%s holds %s", path, where)
			}
		}
		return nil
	})
	if err != nil || files < 4 {
		h.t.Errorf("%d files, %v", files, err)
	}
}
