package spec

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// onHosts puts lines beside x-teal into a Compose file with an app.
func onHosts(lines string) string {
	return "services:\n  web:\n    image: web:1\n    x-teal: {route: {port: 8080}}\n    " + strings.ReplaceAll(lines, "\n", "\n    ") + "\n"
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		what, text string
		hosts      []string
		replicas   int
	}{
		{"no hosts", onHosts("user: a"), nil, 1},
		{"one name", onHosts("x-teal-hosts: app-1"), []string{"app-1"}, 1},
		{"one replica per host", onHosts("x-teal-hosts: [app-1, app-2]"), []string{"app-1", "app-2"}, 2},
		{"replicas as written", onHosts("x-teal-hosts: [app-1, app-2]\nscale: 1"), []string{"app-1", "app-2"}, 1},
		{"replicas of deploy", onHosts("x-teal-hosts: [app-1, app-2]\ndeploy: {replicas: 3}"), []string{"app-1", "app-2"}, 3},
		{"deploy without replicas", onHosts("x-teal-hosts: [a, b]\ndeploy: {resources: {limits: {cpus: 1}}}"), []string{"a", "b"}, 2},
		{"the file's hosts", "x-teal-hosts: [a, b]\n" + onHosts("user: a"), []string{"a", "b"}, 2},
		{"a service's own win", "x-teal-hosts: [a, b]\n" + onHosts("x-teal-hosts: [c]"), []string{"c"}, 1},
		{"a dependency's", "services:\n  web:\n    image: web:1\n    x-teal-hosts: [a, b]\n", []string{"a", "b"}, 2},
		{"from a fragment", "x-on: &on\n  x-teal-hosts: [a]\nservices:\n  web:\n    <<: *on\n    image: web:1\n", []string{"a"}, 1},
	} {
		web := find(t, mustCompose(t, c.text), "web")
		if !reflect.DeepEqual(web.Hosts, c.hosts) || web.Replicas != c.replicas {
			t.Errorf("%s: %v, %d replicas; want %v, %d", c.what, web.Hosts, web.Replicas, c.hosts, c.replicas)
		}
	}
}

// TestHostsOfSeveralFiles: lists are replaced, not appended, and an included
// file's hosts are its own services'.
func TestHostsOfSeveralFiles(t *testing.T) {
	dir := files(t, map[string]string{
		"compose.yaml":  "include: [inc/c.yaml]\nx-teal-hosts: [a, b]\nservices:\n  web:\n    image: web:1\n  own:\n    extends: web\n    x-teal-hosts: [d]\n  set: {image: set, x-teal-hosts: [a]}\n",
		"inc/c.yaml":    "x-teal-hosts: inc\nservices: {cache: {image: redis}}\n",
		"override.yaml": "x-teal-hosts: c\nservices: {set: {x-teal-hosts: [e]}}\n",
	})
	p := mustLoad(t, Options{Dir: dir, Files: []string{"compose.yaml", "override.yaml"}})
	for name, want := range map[string]string{"web": "c", "own": "d", "set": "e", "cache": "inc"} {
		if got := find(t, p, name).Hosts; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

func TestPublish(t *testing.T) {
	for block, want := range map[string]Publish{
		"{blue: 8080, green: 8081}":               {PortRange{8080, 8080}, PortRange{8081, 8081}},
		"{blue: '8080', green: 8081-8081}":        {PortRange{8080, 8080}, PortRange{8081, 8081}},
		`{blue: "8080-8089", green: "8090-8099"}`: {PortRange{8080, 8089}, PortRange{8090, 8099}},
	} {
		web := find(t, mustCompose(t, app("{route: {port: 80}, publish: "+block+"}")), "web")
		if web.Container.Publish == nil || *web.Container.Publish != want {
			t.Errorf("%s: %+v", block, web.Container.Publish)
		}
	}
	plain := find(t, mustCompose(t, app("{route: {port: 80}}")), "web")
	set := find(t, mustCompose(t, app("{route: {port: 80}, publish: {blue: 1, green: 2}}")), "web")
	if revisionOf(plain) == revisionOf(set) {
		t.Error("a published port is part of the container")
	}
}

func TestAdopted(t *testing.T) {
	for _, c := range []struct {
		what, text string
		want       []Adopted
	}{
		{
			"an app's", onHosts("x-teal-adopt: {blue: {container: was_blue, address: '127.0.0.1:8080'}}"),
			[]Adopted{{Colour: Blue, Container: "was_blue", Address: "127.0.0.1:8080"}},
		},
		{
			"on the only host", onHosts("x-teal-hosts: app-1\nx-teal-adopt: {green: {container: w, address: 'app-1.lan:8081'}}"),
			[]Adopted{{Colour: Green, Host: "app-1", Container: "w", Address: "app-1.lan:8081"}},
		},
		{
			"on one of several", onHosts("x-teal-hosts: [a, b]\nx-teal-adopt: {green: {container: w, host: b, address: '[::1]:8081'}}"),
			[]Adopted{{Colour: Green, Host: "b", Container: "w", Address: "[::1]:8081"}},
		},
		{
			"a dependency's", "services:\n  web:\n    image: web:1\n    x-teal-adopt: {container: p_web_1, host: a}\n",
			[]Adopted{{Host: "a", Container: "p_web_1"}},
		},
		{"emptied", onHosts("x-teal-adopt:"), nil},
	} {
		if got := find(t, mustCompose(t, c.text), "web").Adopt; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.what, got, c.want)
		}
	}
}

// TestPlacementIsNoRevision: where containers run and what ran before is a new
// wish, and not a new container.
func TestPlacementIsNoRevision(t *testing.T) {
	plain := find(t, mustCompose(t, onHosts("user: a")), "web")
	for _, lines := range []string{
		"x-teal-hosts: [a]",
		"x-teal-hosts: [a, b]",
		"x-teal-hosts: [b, a]",
		"x-teal-adopt: {blue: {container: w, address: 'h:1'}}",
		"x-teal-adopt: {blue: {container: w, host: a, address: 'h:1'}}",
		"deploy: {replicas: 7}",
	} {
		s := find(t, mustCompose(t, onHosts("user: a\n"+lines)), "web")
		if revisionOf(s) != revisionOf(plain) {
			t.Errorf("%s is another revision", lines)
		}
		if Fingerprint(s) == Fingerprint(plain) {
			t.Errorf("%s is the same wish", lines)
		}
	}
}

func TestDiffOfHosts(t *testing.T) {
	from := mustCompose(t, onHosts("x-teal-hosts: [a]"))
	to := mustCompose(t, strings.Replace(onHosts("x-teal-hosts: [a, b]\nscale: 1\nx-teal-adopt: {blue: {container: w, host: b, address: 'h:1'}}"),
		"8080}}", "8080}, publish: {blue: 1, green: 2}}", 1))
	want := []string{
		`services.web.adopt: added [{"address":"h:1","colour":"blue","container":"w","host":"b"}]`,
		"services.web.container.publish.blue.from: added 1",
		"services.web.container.publish.blue.to: added 1",
		"services.web.container.publish.green.from: added 2",
		"services.web.container.publish.green.to: added 2",
		`services.web.hosts: ["a"] → ["a","b"]`,
	}
	var got []string
	for _, c := range Diff(*from, *to) {
		got = append(got, c.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestHostsRefused(t *testing.T) {
	const at = "compose.yaml:5: services.web."
	publish := func(p string) string { return app("{route: {port: 1}, publish: " + p + "}") }
	for _, c := range []struct{ text, want string }{
		{onHosts("x-teal-hosts: []"), at + "x-teal-hosts: must be the name of a host, or a list of names, not a list"},
		{onHosts("x-teal-hosts: {a: b}"), at + "x-teal-hosts: must be the name of a host, or a list of names, not a mapping"},
		{onHosts("x-teal-hosts: [a, [b]]"), at + "x-teal-hosts[1]: must be text, not a list"},
		{onHosts("x-teal-hosts: [a, b, a]"), at + "x-teal-hosts[2]: the host a is there twice"},
		{onHosts("x-teal-hosts: a_b"), at + `x-teal-hosts[0]: "a_b" is not a name of a host`},
		{onHosts("x-teal-hosts: -a"), `"-a" is not a name of a host`},
		{onHosts("x-teal-hosts: ''"), `"" is not a name of a host`},
		{onHosts("x-teal-host: a"), at + `x-teal-host: unknown key; did you mean "x-teal-hosts"?`},
		{onHosts("x-teal_hosts: a"), `x-teal_hosts: unknown key; did you mean "x-teal-hosts"?`},
		{onHosts("x-teal-publish: a"), at + "x-teal-publish: unknown key; allowed: x-teal, x-teal-hosts, x-teal-adopt"},
		{"x-teal-host: a\n" + onHosts(""), `compose.yaml:1: x-teal-host: unknown key; did you mean "x-teal-hosts"?`},
		{"x-teal-adopt: a\n" + onHosts(""), "compose.yaml:1: x-teal-adopt: x-teal-adopt belongs into a service"},
		{app("{route: {port: 1}, hosts: [a]}"), "compose.yaml:4: services.web.x-teal.hosts: unknown key; write x-teal-hosts beside x-teal"},
		{app("{route: {port: 1}, adopt: {}}"), "services.web.x-teal.adopt: unknown key; write x-teal-adopt beside x-teal"},

		{publish("{blue: 1}"), "compose.yaml:4: services.web.x-teal.publish.green: missing: each colour needs ports of its own; write publish: {blue: 8080, green: 8081}"},
		{publish("{blue: 1, gren: 2}"), `x-teal.publish.gren: unknown key; did you mean "green"?`},
		{publish("8080"), "x-teal.publish: must be a mapping with blue, green, not 8080"},
		{publish("{blue: 0, green: 2}"), "x-teal.publish.blue: must be a whole number from 1 to 65535, not 0"},
		{publish("{blue: 1, green: 9-3}"), `x-teal.publish.green: must be a port such as 8080 or a range such as "8080-8089", not "9-3"`},
		{publish("{blue: 1, green: 1-70000}"), "x-teal.publish.green: must be a port"},
		{publish("{blue: 5-9, green: 9-12}"), "x-teal.publish: blue (5-9) and green (9-12) overlap: both colours run during a rollout"},
		{app("{route: {port: 1}, publish: {blue: 1, green: 2-3}}\n    scale: 2"), "x-teal.publish.blue: too few ports: up to 2 replicas share a host, and 1 is 1; write 1-2"},
		{app("{route: {port: 1}, publish: {blue: 1-2, green: 3-4}}\n    scale: 5\n    x-teal-hosts: [a, b]"), "x-teal.publish.green: too few ports: up to 3 replicas share a host, and 3-4 is 2; write 3-5"},
		{publish("{blue: 1, green: 2}") + "  other: {image: o, ports: ['2:80']}\n", "services.web.x-teal.publish: other and web both publish port 2"},
		{publish("{blue: 1, green: 2}") + "  zz:\n    image: o\n    x-teal: {route: {port: 1, host: z}, publish: {blue: 2, green: 3}}\n", "compose.yaml:7: services.zz.x-teal.publish: web and zz both publish port 2"},

		{onHosts("x-teal-adopt: web"), at + `x-teal-adopt: must be a mapping with blue, green, not "web"`},
		{onHosts("x-teal-adopt: {}"), at + "x-teal-adopt: must say which colour"},
		{onHosts("x-teal-adopt: {container: web}"), at + "x-teal-adopt.container: unknown key; allowed: blue, green"},
		{onHosts("x-teal-adopt: {blue: {container: web}}"), at + "x-teal-adopt.blue.address: missing: where the proxy reaches the container; write address: 127.0.0.1:8080"},
		{onHosts("x-teal-adopt: {blue: {address: 'h:1'}}"), at + "x-teal-adopt.blue.container: missing"},
		{onHosts("x-teal-adopt: {blue: {container: 'a b', address: 'h:1'}}"), at + `x-teal-adopt.blue.container: "a b" is not a name of a container`},
		{onHosts("x-teal-adopt: {blue: {container: w, address: '8080'}}"), at + `x-teal-adopt.blue.address: "8080" is not host:port`},
		{onHosts("x-teal-adopt: {blue: {container: w, address: 'http://h:80'}}"), "is not host:port"},
		{onHosts("x-teal-adopt: {blue: {container: w, address: 'h:0'}}"), "is not host:port"},
		{onHosts("x-teal-adopt: {blue: {container: w, address: 'h:1'}, green: {container: x, address: 'h:2'}}"), at + "x-teal-adopt: only one container can be the one that serves; name the colour that has the traffic now"},
		{onHosts("x-teal-hosts: [a, b]\nx-teal-adopt: {blue: {container: w, address: 'h:1'}}"), "compose.yaml:6: services.web.x-teal-adopt.blue.host: missing: the service has several hosts; allowed: a, b"},
		{onHosts("x-teal-hosts: [app-1]\nx-teal-adopt: {blue: {container: w, host: app-2, address: 'h:1'}}"), `services.web.x-teal-adopt.blue.host: "app-2" is not a host of the service; did you mean "app-1"?`},
		{"services:\n  rdb:\n    image: r\n    x-teal-adopt: {container: r, address: 'h:1'}\n", "compose.yaml:4: services.rdb.x-teal-adopt.address: unknown key; allowed: container, host"},
		{"services:\n  rdb:\n    image: r\n    scale: 2\n    x-teal-adopt: {container: r}\n", "compose.yaml:5: services.rdb.x-teal-adopt: a dependency with a container of before Teal has one replica, not 2"},
		{"services:\n  j:\n    image: r\n    x-teal-adopt: {container: r}\n  w: {image: w, depends_on: {j: {condition: service_completed_successfully}}}\n", "services.j.x-teal-adopt: a job runs anew"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := compose(t, c.text)
			refused(t, err, c.want)
		})
	}
}

// TestUnknownHosts: names are checked against what the controller has.
func TestUnknownHosts(t *testing.T) {
	load := func(text string, hosts []string) error {
		_, err := Load(t.Context(), Options{Dir: files(t, map[string]string{"compose.yaml": text}), ProjectName: "p", Policy: Policy{Hosts: hosts}})
		return err
	}
	two := []string{"app-2", "app-1"}
	for _, c := range []struct {
		text  string
		hosts []string
		want  string
	}{
		{onHosts("x-teal-hosts: [app-1, app_1]"), two, `x-teal-hosts[1]: "app_1" is not a name`},
		{onHosts("x-teal-hosts: [app-1, ap-2]"), two, `compose.yaml:5: services.web.x-teal-hosts[1]: there is no host "ap-2"; did you mean "app-2"? allowed: app-1, app-2`},
		{onHosts("x-teal-hosts: [edge]"), []string{""}, `there is no host "edge": the controller has only the one it runs on`},
		{onHosts("x-teal-adopt: {blue: {container: w, host: x, address: 'h:1'}}"), two, `x-teal-adopt.blue.host: there is no host "x"; allowed: app-1, app-2`},
		{"x-teal-hosts:\n  - app-1\n  - app-9\n" + onHosts("") + "  db: {image: d}\n", two, `compose.yaml:3: x-teal-hosts[1]: there is no host "app-9"`},
	} {
		err := load(c.text, c.hosts)
		refused(t, err, c.want)
		if n := strings.Count(err.Error(), "\n"); n > 0 {
			t.Errorf("said more than once:\n%v", err)
		}
	}
	for _, hosts := range [][]string{nil, two} {
		if err := load(onHosts("x-teal-hosts: [app-1, app-2]"), hosts); err != nil {
			t.Error(err)
		}
	}
	if err := load(onHosts("user: a"), []string{""}); err != nil {
		t.Error(err)
	}
}

// TestHostsAsJSON: a project that came over the API is held to the same rules.
func TestHostsAsJSON(t *testing.T) {
	p := mustCompose(t, onHosts("x-teal-hosts: [a, b]\nx-teal-adopt: {blue: {container: w, host: a, address: 'h:1'}}"))
	var q Project
	if err := json.Unmarshal([]byte(mustJSON(p)), &q); err != nil {
		t.Fatal(err)
	}
	if err := q.Validate(Policy{}); err != nil || !reflect.DeepEqual(p, &q) {
		t.Errorf("%v\n%+v\n%+v", err, p, q)
	}
	for want, spoil := range map[string]func(*Service){
		`must be blue or green, not "red"`:                   func(s *Service) { s.Adopt[0].Colour = "red" },
		"only an app with x-teal has colours":                func(s *Service) { s.Rollout = nil; s.Container.Publish = &Publish{} },
		"a dependency has neither colour nor address":        func(s *Service) { s.Rollout = nil },
		"publish.blue: 5-3 is not a port or a range":         func(s *Service) { s.Container.Publish = &Publish{Blue: PortRange{5, 3}} },
		`x-teal-hosts[0]: there is no host "a"; allowed: zz`: func(*Service) {},
	} {
		var again Project
		if err := json.Unmarshal([]byte(mustJSON(p)), &again); err != nil {
			t.Fatal(err)
		}
		spoil(&again.Services[0])
		policy := Policy{}
		if strings.Contains(want, "zz") {
			policy.Hosts = []string{"zz"}
		}
		refused(t, again.Validate(policy), want)
	}
}

// TestSurvey reads what was not written for Teal, from a draft.
func TestSurvey(t *testing.T) {
	dir := files(t, map[string]string{".env": "TAG=7\n", "base.env": "A=b\n"})
	text := "services:\n  was_blue: &was\n    image: was:${TAG}\n    container_name: was_blue\n    env_file: base.env\n    build: .\n    ports: ['8080:80']\n" +
		"  was_green: {<<: *was, container_name: was_green, ports: ['8081:80']}\n"
	p, err := Survey(t.Context(), Options{Dir: dir, Files: []string{"c.yml"}, ProjectName: "p", Drafts: map[string][]byte{dir + "/c.yml": []byte(text)}})
	refused(t, err, "c.yml:4: services.was_blue.container_name: Teal does not honour this key")
	refused(t, err, "c.yml:6: services.was_blue.build: Teal does not honour this key")
	if reason := func() *Error {
		target := &Error{}
		_ = errors.As(err, &target)
		return target
	}().Problems[1].Reason; reason != whyBuild {
		t.Errorf("the reason is %q", reason)
	}
	green := find(t, p, "was_green")
	if green.Container.Image != "was:7" || green.Container.Ports[0].Published != "8081" || green.Container.Environment["A"] != "b" {
		t.Errorf("got %+v", green)
	}
	if p, err := Survey(t.Context(), Options{Dir: dir, Files: []string{"c.yml"}, Drafts: map[string][]byte{dir + "/c.yml": []byte("services: [")}}); p != nil || err == nil {
		t.Errorf("got %v, %v", p, err)
	}
}
