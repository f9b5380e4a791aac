package docker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// passwordFile is a file with a password.
func passwordFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLogins asks a real registry that wants a password: with the host's own
// login, with that of all hosts, and after the password was replaced.
func TestLogins(t *testing.T) {
	sum, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	registry := dockertest.Registry(t, &dockertest.Credentials{User: "user", Password: "hunter2", Hash: string(sum)})
	ref, _ := registry.Push(t, "p"+dockertest.Unique()+"/web:1", dockertest.Options{})
	right, wrong := passwordFile(t, "hunter2\n"), passwordFile(t, "wrong")
	login := func(name, file, hosts string) docker.Login {
		t.Helper()
		l, err := docker.ParseLogin(name, registry.Address+"?username=user&hosts="+hosts+"&password_file="+file)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	ask := func(host string, logins ...docker.Login) reconcile.Outcome {
		t.Helper()
		engine, _ := open(t, docker.Options{Name: host, Logins: logins})
		return engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepResolve, Image: reconcile.Image{Ref: ref}, Policy: spec.PullAlways})
	}
	got := ask("app-1", login("all", wrong, ""), login("own", right, "app-1,app-2"))
	if got.Failure != nil || got.Image.Digest == "" {
		t.Fatalf("with its own login: %+v", got)
	}
	engine, _ := open(t, docker.Options{Logins: []docker.Login{login("all", right, "")}})
	pulled := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepPull, App: app(t), Image: got.Image})
	if pulled.Failure != nil {
		t.Errorf("pull: %+v", pulled.Failure)
	}
	wants(t, ask("app-1", login("other", right, "app-2")).Failure, reconcile.Permanent, reconcile.ReasonImageDenied, "401")
	all := login("all", wrong, "")
	wants(t, ask("", all).Failure, reconcile.Permanent, reconcile.ReasonImageDenied, "401")
	if err := os.WriteFile(wrong, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask("", all); got.Failure != nil {
		t.Errorf("after the password was replaced: %+v", got.Failure)
	}
	if err := os.Remove(wrong); err != nil {
		t.Fatal(err)
	}
	wants(t, ask("", all).Failure, reconcile.Infra, reconcile.ReasonRegistryUnavailable, "no such file")
}

func TestLoginsThatAreRefused(t *testing.T) {
	good, open := passwordFile(t, "hunter2"), passwordFile(t, "hunter2")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for text, words := range map[string]string{
		"": "not a registry",
		"https://r.example.com?username=u&password_file=" + good: "without https://",
		"r.example.com": "username and password_file are needed",
		"r.example.com?username=u&password_file=/none":                  "no such file",
		"r.example.com?username=u&password_file=" + open:                "chmod 600",
		"r.example.com?username=u&password_file=" + passwordFile(t, ""): "is empty",
		"r.example.com?username=u&password=hunter2":                     "there is no field password; there are username",
		"r.example.com?username=u&username=v&password_file=" + good:     "given twice",
	} {
		_, err := docker.ParseLogin("hub", text)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "registry hub") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want %q", text, err, words)
		}
	}
	if l, err := docker.ParseLogin("hub", "docker.io?username=u&password_file="+good); err != nil || l.Registry != "index.docker.io" {
		t.Errorf("%+v, %v", l, err)
	}
}
