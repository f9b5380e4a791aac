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
		{"driver", []string{"--proxy", "apache"}, []string{`--proxy is "apache"`, "embedded, nginx"}},
		{"address", []string{"--http", "8000"}, []string{`"8000" is not an address`, "127.0.0.1:8000"}},
		{"no address", []string{"--http", ""}, []string{"no address to listen on"}},
		{"https without a certificate", []string{"--https", ":443"}, []string{"needs a certificate"}},
		{"certificate without https", []string{"--cert", "a", "--key", "b"}, []string{"no address for HTTPS"}},
		{"redirect without https", []string{"--redirect-https"}, []string{"--redirect-https needs an address"}},
		{"engine limit", []string{"--engine-limit", "20ms"}, []string{"--engine-limit is 20ms, not from 1s to 10m"}},
		{"parallel", []string{"--max-parallel", "0"}, []string{"--max-parallel is 0"}},
		{"host without a name", []string{"--host", "unix:///var/run/docker.sock"}, []string{"does not say NAME=URL", "--host app-1=ssh://"}},
		{"host with a bad name", []string{"--host", "app_1=unix:///s"}, []string{`"app_1" is not a name of a host`}},
		{"host without a way", []string{"--host", "a=npipe://x"}, []string{"host a", "no unix:///PATH"}},
		{"host twice", []string{"--host", "a=unix:///s", "--host", "a=ssh://u@b"}, []string{"two hosts called a"}},
		{"host with bad ports", []string{"--host", "a=unix:///s?ports=9-1"}, []string{"host a", `ports "9-1" is no range`}},
		{"host without an address", []string{"--host", "edge=unix:///s", "--host", "a=ssh://u@b", "--proxy-host", "edge"}, []string{"host a has no address", "the proxy is on edge"}},
		{"two hosts without an address", []string{"--host", "edge=unix:///s", "--host", "a=ssh://u@b"}, []string{"which of the hosts has the proxy is not clear: edge, a", "--proxy-host"}},
		{"proxy's host that is none", []string{"--host", "edge=unix:///s", "--proxy-host", "egde"}, []string{"there is no host egde", "--proxy-host edge"}},
		{"proxy's host without hosts", []string{"--proxy-host", "edge"}, []string{"there are no hosts"}},
		{"embedded proxy elsewhere", []string{"--host", "edge=ssh://u@b"}, []string{"embedded proxy runs on this machine", "edge"}},
		{"engine beside hosts", []string{"--host", "edge=unix:///s", "--docker", "unix:///t"}, []string{"--docker names an engine beside --host"}},
		{"unknown key of a host", []string{"-c", file("hosts:\n  a:\n    url: ssh://u@b\n    addrezz: 10.0.0.1\n")}, []string{"teal.yaml:4: hosts.a.addrezz is not a key here; did you mean address?"}},
		{"a setting of nginx without nginx", []string{"--nginx-service"}, []string{"--proxy is embedded", "--proxy nginx"}},
		{"image of somebody else's nginx", []string{"--proxy", "nginx", "--nginx-service", "--nginx-image", "x"}, []string{"--nginx-image is for"}},
		{"two places for nginx", []string{"--proxy", "nginx", "--nginx-service", "--nginx-container", "x"}, []string{"two places"}},
		{"nginx container where no Docker is", []string{"--proxy", "nginx", "--host", "a=ssh://u@b?address=10.0.0.1", "--proxy-host", "ssh://u@c"}, []string{"ssh://u@c", "--nginx-service"}},
		{"nginx container on a machine that is no host", []string{"--proxy", "nginx", "--host", "a=ssh://u@b?address=10.0.0.1"}, []string{"this machine, where no Docker"}},
		{"embedded proxy where no Docker is", []string{"--host", "a=ssh://u@b?address=10.0.0.1"}, []string{"none of the hosts", "--host edge=unix://"}},
		{"bastion that cannot reach a host", []string{"--host", "a=ssh://u@b", "--proxy-host", "ssh://u@c", "--proxy", "nginx", "--nginx-service"}, []string{"host a has no address", "ssh://u@c"}},
		{"nginx service over tcp", []string{"--proxy", "nginx", "--nginx-service", "--host", "a=tcp://b:1?insecure=true"}, []string{"over ssh only"}},
		{"status of nginx over tcp", []string{"--proxy", "nginx", "--host", "a=tcp://b:1?insecure=true"}, []string{"--nginx-admin is 127.0.0.1:7831 on host a"}},
		{"sudo for nothing", []string{"--proxy", "nginx", "--nginx-sudo"}, []string{"--nginx-sudo"}},
		{"configuration of a container", []string{"--proxy", "nginx", "--nginx-config", "/x"}, []string{"--nginx-config is for"}},
		{"own servers of Teal's nginx", []string{"--proxy", "nginx", "--nginx-own-servers"}, []string{"--nginx-own-servers is for an nginx of yours"}},
		{"advertised nothing", []string{"--proxy", "nginx", "--nginx-syslog-advertise", "10.0.0.1:1"}, []string{"needs --nginx-syslog"}},
		{"status address", []string{"--proxy", "nginx", "--nginx-admin", "7831"}, []string{`--nginx-admin: "7831" is not an address`}},
		{"awaited ports of nginx", []string{"--proxy", "nginx", "--await-ports"}, []string{"--await-ports is for the embedded proxy"}},
		{"metrics of nginx", []string{"--proxy", "nginx", "--proxy-metrics", ":1"}, []string{"--proxy-metrics is for the embedded proxy"}},
		{"resync", []string{"--resync", "sometimes"}, []string{"--resync", "sometimes"}},
		{"a state folder too deep", []string{"--state", "/" + strings.Repeat("deep/", 16), "--socket", filepath.Join(state, "s")}, []string{"--state", "too long", "has 97 bytes", "94"}},
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
