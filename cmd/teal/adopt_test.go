package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
	"teal/spec"
)

// before is a lab with containers that were there before it, and go after it.
func before(t *testing.T, all func(*lab) []dockertest.Composed) *lab {
	t.Helper()
	known := lab{t: t, project: "old" + dockertest.Unique(), address: freeAddress(t)}
	dockertest.Compose(t, all(&known)...)
	l := newLab(t)
	l.project, l.address = known.project, known.address
	return l
}

// compose writes a Compose file of before Teal.
func (l *lab) compose(text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.folder, "docker-compose.yml"), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// written is what teal adopt wrote.
func (l *lab) written() string {
	l.t.Helper()
	text, err := os.ReadFile(l.file())
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

func (l *lab) port() int {
	l.t.Helper()
	_, port, err := net.SplitHostPort(l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// TestPlainContainerGivesItsPort: a container publishes the port by itself; the
// proxy waits for it, and takes it once Teal's own container is verified.
func TestPlainContainerGivesItsPort(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	l := before(t, func(l *lab) []dockertest.Composed {
		return []dockertest.Composed{{Project: l.project, Service: "web", Image: v1, Publish: map[int]int{l.port(): 8080}}}
	})
	old := l.project + "_web_1"
	l.compose("name: " + l.project + "\nservices:\n  web:\n    image: " + v1 + "\n    pull_policy: never\n    stop_grace_period: 3s\n    ports: ['" + strconv.Itoa(l.port()) + ":8080']\n")
	l.teal("adopt", "-f", "docker-compose.yml", "--health", "/health", "-o", "compose.yaml").
		expect(t, exitDone, "web serves: it is the only one", "--await-ports", "--hand-over web", "which cannot be avoided")
	if text := l.written(); !strings.Contains(text, "blue: {container: "+old+", address: 1") || strings.Contains(text, "ports:") {
		t.Fatalf("written:\n%s", text)
	}
	l.teal("adopt", "-f", "docker-compose.yml", "-o", "compose.yaml").expect(t, exitBadInput, "nothing is written over")
	l.start("--await-ports")
	l.until("green is staged", func() error { return want(l.named("web", spec.Green).Role, "staged") })
	l.served("v1") // by the old container
	l.teal("adopt", "--hand-over", "web", "-f", "compose.yaml").expect(t, exitFailed, "is not served by containers of Teal yet", "teal promote")
	l.teal("promote", "web").expect(t, exitDone)
	r := l.teal("adopt", "--hand-over", "web", "-f", "compose.yaml")
	r.expect(t, exitDone, old+" was stopped, and the proxy has its port")
	if !regexp.MustCompile(`nobody answered for [0-9]+ ms: [0-9]+ of [0-9]+ new connections in all were lost`).MatchString(r.out) {
		t.Errorf("said %s", r.out)
	}
	t.Log(r.out)
	if got := dockertest.State(t, old); got != "exited" {
		t.Errorf("the old container is %s", got)
	}
	l.served("v1") // by Teal's own
	l.teal("adopt", "--hand-over", "web", "-f", "compose.yaml").expect(t, exitBadInput, "does not run any more")
	if text := l.written(); strings.Contains(text, "promotion: manual") {
		l.edit(regexp.MustCompile(`(?m)^ *promotion: manual.*\n`).ReplaceAllString(strings.Replace(text, v1, v2, 1), ""))
	}
	l.served("v2")
}

// want compares, for until.
func want(got, wanted string) error {
	if got != wanted {
		return notThatError{got, wanted}
	}
	return nil
}

type notThatError struct{ got, want string }

func (e notThatError) Error() string { return "it is " + e.got + ", not " + e.want }

// TestAdoptFlags: each flag used wrongly says what to write.
func TestAdoptFlags(t *testing.T) {
	l := newLab(t)
	l.compose("services:\n  was_blue: {image: w, ports: ['8080:80']}\n  was_green: {image: w, ports: ['8081:80']}\n")
	for _, c := range []struct {
		args string
		want string
	}{
		{"--pair was", `"was" does not say APP=BLUE,GREEN`},
		{"--pair x=a,b", `there is no service "a"`},
		{"--serves red", `"red" is not a colour`},
		{"--serves was=", `"" is not a colour`},
		{"--app nobody", `there is no service "nobody"`},
		{"--health up", `--health is "up", not a path`},
		{"--nginx absent.conf", "nginx's configuration: "},
		{"--nginx docker-compose.yml", "nginx's configuration: "},
		{"--nginx a --nginx-container b", "name two configurations"},
		{"--nginx-container nobody-" + l.id, "ask nginx for its configuration"},
		{"--edit-nginx", "--edit-nginx needs the main configuration file"},
		{"--nginx - --edit-nginx", "--edit-nginx needs the main configuration file"},
		{"-o /tmp/x.yaml", "mean something else in the folder /tmp"},
		{"-o docker-compose.yml", "nothing is written over"},
		{"-f other.yml", "read Compose file"},
		{"-f docker-compose.yml -f b.yml", "one file is edited at a time"},
		{"--host a=unix:///var/run/docker.sock --docker tcp://h:1", "--docker names an engine beside --host"},
		{"--host nonsense", "does not say NAME=URL"},
		{"--hand-over was -o x", "--hand-over writes nothing"},
		{"--hand-over was", "name the file that Teal runs with -f"},
		{"--hand-over was -f docker-compose.yml", `there is no app "was" in docker-compose.yml`},
		{"--outptu x", "unknown flag"},
		{"more", "unknown"},
		{"", "neither was_blue nor was_green runs"},
	} {
		args := strings.Fields(c.args)
		r := l.teal(append([]string{"adopt"}, args...)...)
		if !strings.Contains(r.err, c.want) || r.code == exitDone {
			t.Errorf("adopt %s: %d, said %q, want %q", c.args, r.code, r.err, c.want)
		}
	}
}
