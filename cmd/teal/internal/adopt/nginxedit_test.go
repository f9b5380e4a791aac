package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// realNginx starts the system's nginx with a configuration in a folder of its
// own, which sends requests to upstream.
func realNginx(t *testing.T, upstream string) (s Switch, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers are somebody else
		t.Fatal(err)
	}
	socket = dir + "/socket"
	for name, text := range map[string]string{
		"nginx.conf":    fmt.Sprintf("daemon off;\npid %[1]s/pid;\nerror_log %[1]s/error.log;\nevents {}\nhttp {\n    access_log off;\n    include %[1]s/sites-enabled/*;\n}\n", dir),
		"available/was": fmt.Sprintf("server {\n    listen unix:%s;\n    location / {\n        proxy_pass http://%s;   # blue\n    }\n}\n", socket, upstream),
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(dir+"/sites-enabled", 0o755), os.Symlink(dir+"/available/was", dir+"/sites-enabled/was")); err != nil {
		t.Fatal(err)
	}
	s = Switch{
		Config: dir + "/nginx.conf", Folder: dir + "/teal", Main: "teal.conf", Apps: []SwitchApp{{Name: "was", Include: "p.was.conf"}},
		Run: func(ctx context.Context, args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, "nginx", args...).CombinedOutput()
			return string(out), err
		},
	}
	cmd := exec.Command("nginx", "-c", s.Config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s, socket
}

// reread reads the configuration as it is now.
func (s Switch) reread(t *testing.T) Switch {
	t.Helper()
	var err error
	if s.Nginx, err = ReadNginx(s.Config); err != nil {
		t.Fatal(err)
	}
	s.Apps = []SwitchApp{{Name: "was", Include: "p.was.conf", Proxied: s.Nginx.Proxied}}
	return s
}

func server(t *testing.T, says string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, says) }))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// answer is what nginx says on a connection of its own, or the error.
func answer(t *testing.T, socket string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	res, err := client.Get("http://nginx/")
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// begun waits until nginx leads to the old server.
func begun(t *testing.T, socket string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if last = answer(t, socket); last == "old" {
			return
		}
	}
	t.Fatalf("nginx answers %q", last)
}

// TestSwitchNginx: first the include in the http block, then, once the
// controller wrote its file, the location; each with a backup, and the way back.
func TestSwitchNginx(t *testing.T) {
	s, socket := realNginx(t, server(t, "old"))
	begun(t, socket)

	s = s.reread(t)
	if s.HasMain() {
		t.Fatal("nothing includes Teal's file yet")
	}
	done, err := s.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !done.Made || len(done.Changed) != 1 || len(done.Backups) != 1 || len(done.Waiting) != 1 {
		t.Errorf("got %+v", done)
	}
	if s = s.reread(t); !s.HasMain() {
		t.Error("the include was not added")
	}
	begun(t, socket)
	if done, err := s.Make(t.Context()); err != nil || len(done.Changed) != 0 || len(done.Waiting) != 1 {
		t.Errorf("again: %+v, %v", done, err)
	}

	location := filepath.Join(s.Folder, "p.was.conf")
	if err := os.WriteFile(location, []byte("proxy_pass http://"+server(t, "teal")+";\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if done, err = s.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 { // no worker of before answers any more, at once
		if got := answer(t, socket); got != "teal" {
			t.Fatalf("an old worker took a connection after the reload: %q", got)
		}
	}
	site, err := os.ReadFile(filepath.Dir(s.Config) + "/available/was")
	if err != nil || !strings.Contains(string(site), "        include "+location+"; # before Teal: proxy_pass http://") || !strings.Contains(string(site), "   # blue\n") {
		t.Errorf("%v\n%s", err, site)
	}
	info, err := os.Lstat(filepath.Dir(s.Config) + "/sites-enabled/was")
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err = os.Stat(filepath.Dir(s.Config) + "/available/was"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(done.Backups[0])
	if err != nil || strings.Contains(string(before), "before Teal") || filepath.Base(done.Backups[0])[0] != '.' {
		t.Errorf("backup %s: %v\n%s", done.Backups[0], err, before)
	}
	if s = s.reread(t); len(s.Nginx.Proxied) != 1 || s.Nginx.Proxied[0].File != location {
		t.Errorf("got %+v", s.Nginx.Proxied)
	}
	s.Nginx.Leave(s.Folder)
	s.Apps[0].Proxied = s.Nginx.Proxied
	if done, err := s.Make(t.Context()); err != nil || len(done.Changed) != 0 {
		t.Errorf("Teal's own file was edited: %+v, %v", done, err)
	}
}

// TestSwitchUndone: what nginx refuses is put back, byte by byte.
func TestSwitchUndone(t *testing.T) {
	s, socket := realNginx(t, server(t, "old"))
	begun(t, socket)
	if err := errors.Join(os.Mkdir(s.Folder, 0o755), os.WriteFile(filepath.Join(s.Folder, "teal.conf"), []byte("nonsense;\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s = s.reread(t)
	before, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Make(t.Context()); err == nil || !strings.Contains(err.Error(), `unknown directive "nonsense"`) {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(s.Config)
	if err != nil || string(after) != string(before) {
		t.Errorf("%v\n%s", err, after)
	}
	if left, err := filepath.Glob(filepath.Dir(s.Config) + "/.*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	begun(t, socket)
}

func TestSwitchRefused(t *testing.T) {
	for _, c := range []struct{ conf, site, want string }{
		{"http {\n  include SITE;\n}\n", "server { location /a/ { proxy_pass http://h:1/; } }\n", "nginx changes the path here"},
		{"http {\n  include SITE;\n}\n", "server { location / { proxy_pass\n http://h:1; } }\n", "does not stand on one line"},
		{"http { include SITE;\n}\n", "server { location / { proxy_pass http://h:1; } }\n", "does not begin on a line of its own; write at its beginning: include"},
		{"events {\n}\n", "", "has no http block"},
	} {
		dir := t.TempDir()
		s := Switch{Config: dir + "/nginx.conf", Folder: dir + "/teal", Main: "teal.conf"}
		for name, text := range map[string]string{"nginx.conf": strings.ReplaceAll(c.conf, "SITE", dir+"/site"), "site": c.site, "teal/p.was.conf": ""} {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.reread(t).Make(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.want, err)
		}
	}
	copied := Switch{Nginx: &Nginx{Copied: true}}
	if _, err := copied.Make(t.Context()); err == nil || !strings.Contains(err.Error(), "nginx -T") {
		t.Errorf("got %v", err)
	}
}
