package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesInSettings(t *testing.T) {
	state := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "teal.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"driver", []string{"--proxy", "apache"}, []string{`--proxy is "apache"`, "embedded"}},
		{"address", []string{"--http", "8000"}, []string{`"8000" is not an address`, "127.0.0.1:8000"}},
		{"no address", []string{"--http", ""}, []string{"no address to listen on"}},
		{"https without a certificate", []string{"--https", ":443"}, []string{"needs a certificate"}},
		{"certificate without https", []string{"--cert", "a", "--key", "b"}, []string{"no address for HTTPS"}},
		{"parallel", []string{"--max-parallel", "0"}, []string{"--max-parallel is 0"}},
		{"resync", []string{"--resync", "sometimes"}, []string{"--resync", "sometimes"}},
		{"id", []string{"--controller", "My Host"}, []string{"small letters"}},
		{"log format", []string{"--log-format", "xml"}, []string{"neither text nor json"}},
		{"log level", []string{"--log-level", "loud"}, []string{"not debug, info, warn or error"}},
		{"key in the file", []string{"-c", file("htttp: :80\n")}, []string{"teal.yaml:1: htttp is not a key here; did you mean http?"}},
		{"value in the file", []string{"-c", file("http: :80\nprune: maybe\n")}, []string{"teal.yaml:2: prune"}},
		{"for one run only", []string{"-c", file("rebuild: true\n")}, []string{"rebuild is not a key here"}},
		{"verb's own flag", []string{"-c", file("no_wait: true\n")}, []string{"no_wait is not a key here"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"run", "--state", state}, c.args...)
			teal(t, filepath.Join(state, "teal.sock"), args...).expect(t, exitBadInput, c.words...)
		})
	}
	if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
		t.Errorf("bad settings left %v, %v", left, err)
	}
}

func TestTheControllersFileServesApply(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"compose.yaml": strings.Replace(good, "1.4.2", "${TAG}", 1),
		"teal.yaml":    "file: compose.yaml\nvariables: {TAG: 1.4.9}\nhttp: :8000\nmax_parallel: 2\nstate: state\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := fake()
	socket := serve(t, f)
	teal(t, socket, "apply", "-c", filepath.Join(folder, "teal.yaml"), "--no-wait").expect(t, exitDone, "accepted")
	if got := f.Applied()[0].Project.Services[0].Container.Image; got != "example.com/pennyway/was:1.4.9" {
		t.Errorf("sent image %s", got)
	}
}

func TestWhereTheSocketIs(t *testing.T) {
	for _, c := range []struct {
		name string
		p    program
		want string
	}{
		{"flag", program{socket: "/a.sock", state: "/b", Main: Main{Env: []string{"TEAL_SOCKET=/c"}}}, "/a.sock"},
		{"environment", program{state: "/b", Main: Main{Env: []string{"TEAL_SOCKET=/c"}}}, "/c"},
		{"state folder", program{state: "/b"}, "/b/teal.sock"},
		{"state folder in the environment", program{Main: Main{Env: []string{"TEAL_STATE=/d"}}}, "/d/teal.sock"},
	} {
		if got := c.p.socketPath(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestTheControllersIDOutlivesItsState(t *testing.T) {
	id := func(state string) string {
		p := program{state: state}
		out, err := p.controllerID("")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if id("/var/lib/teal") != "teal" || id("/a") != id("/a/") || id("/a") == id("/b") {
		t.Errorf("ids: %s, %s, %s, %s", id("/var/lib/teal"), id("/a"), id("/a/"), id("/b"))
	}
}
