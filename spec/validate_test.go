package spec

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// viaJSON sends p the way the API does.
func viaJSON(t testing.TB, p *Project) Project {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out Project
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWhatLoadsIsValid: a loaded project is still good after it went through
// the API, and it is the same wish.
func TestWhatLoadsIsValid(t *testing.T) {
	for _, name := range []string{"full", "hello", "several"} {
		dir, err := filepath.Abs("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		p := mustLoad(t, Options{Dir: dir})
		sent := viaJSON(t, p)
		if err := sent.Validate(Policy{Dir: dir}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range p.Services {
			if Fingerprint(p.Services[i]) != Fingerprint(sent.Services[i]) {
				t.Errorf("%s: %s changed on the way", name, p.Services[i].Name)
			}
		}
	}
}

// TestValidateRefuses: nothing that a file may not say may come as JSON.
func TestValidateRefuses(t *testing.T) {
	dir, err := filepath.Abs("testdata/full")
	if err != nil {
		t.Fatal(err)
	}
	good := mustLoad(t, Options{Dir: dir})
	app := func(p *Project) *Service { return &p.Services[0] }
	db := func(p *Project) *Service { return &p.Services[1] }
	job := func(p *Project) *Service { return &p.Services[2] }
	for _, c := range []struct {
		what string
		do   func(*Project)
		want string
	}{
		{"no services", func(p *Project) { p.Services = nil }, "services: there is no active service"},
		{"a bad name", func(p *Project) { p.Name = "../x" }, `name: "../x" is not a project name`},
		{"a bad service name", func(p *Project) { db(p).Name.Service = "d b" }, `"d b" is not a service name`},
		{"a service of another project", func(p *Project) { db(p).Name.Project = "x" }, `services.db: belongs to the project "x", not to "full"`},
		{"services out of order", func(p *Project) { p.Services[0], p.Services[1] = p.Services[1], p.Services[0] }, "services are not sorted"},
		{"a service twice", func(p *Project) { p.Services = append(p.Services, p.Services[2]) }, "one is there twice"},
		{"no image", func(p *Project) { db(p).Container.Image = "" }, "services.db.image: missing"},
		{"an image in another form", func(p *Project) { db(p).Container.Image = "docker.io/library/mysql" }, "is not normalised; write mysql:latest"},
		{"a policy that is none", func(p *Project) { db(p).PullPolicy = "" }, "services.db.pull_policy"},
		{"too many replicas", func(p *Project) { app(p).Replicas = 5000 }, "must be from 0 to 1000, not 5000"},
		{"an app as a job", func(p *Project) { app(p).Job = true }, "cannot be a job"},
		{"a job that is none", func(p *Project) { job(p).Job = false }, "is not marked as a job"},
		{"an app with ports", func(p *Project) { app(p).Container.Ports = db(p).Container.Ports }, "publishes no ports"},
		{"an app without restart", func(p *Project) { app(p).Container.Restart = "no" }, "must come back after a crash"},
		{"a bind outside", func(p *Project) { app(p).Container.Mounts[3].Source = "/etc" }, "/etc lies outside"},
		{"a bind that climbs", func(p *Project) { app(p).Container.Mounts[3].Source += "/../../../.." }, "outside"},
		{"a bind that is not absolute", func(p *Project) { app(p).Container.Mounts[3].Source = "x" }, "is not an absolute path"},
		{"the socket", func(p *Project) { app(p).Container.Mounts[3].Source = "/run/docker.sock" }, "engine's socket"},
		{"a mount over all", func(p *Project) { app(p).Container.Mounts[3].Target = "/" }, "must be an absolute path below /"},
		{"two mounts in one place", func(p *Project) { app(p).Container.Mounts[3].Target = "/run" }, "two mounts at /run"},
		{"a mount of another type", func(p *Project) { app(p).Container.Mounts[0].Type = "npipe" }, "are not honoured"},
		{"a volume that is not described", func(p *Project) { db(p).Container.Mounts[0].Volume = nil }, "is not described"},
		{"a volume of another name", func(p *Project) { db(p).Container.Mounts[0].Source = "other" }, "is not described"},
		{"a bad name of a volume", func(p *Project) { db(p).Container.Mounts[0].Source = "../x" }, `"../x" is not a name of a volume`},
		{"a volume that is a bind", func(p *Project) {
			db(p).Container.Mounts[0].Volume.DriverOpts = map[string]string{"o": "rw,bind", "device": "/"}
		}, "engine's socket"},
		{"a volume in two ways", func(p *Project) {
			app(p).Container.Mounts[4] = db(p).Container.Mounts[0]
			app(p).Container.Mounts[4].Volume = &Volume{Name: "full_data"}
		}, "the volume full_data is described in two ways"},
		{"a network in two ways", func(p *Project) { app(p).Container.Networks[0].Internal = true }, "the network full_default is described in two ways"},
		{"the host's network", func(p *Project) { db(p).Container.Networks[0].Name = "host" }, "the engine's own network"},
		{"the host's driver", func(p *Project) { db(p).Container.Networks[0].Driver = "host" }, "the engine's own network"},
		{"a capability", func(p *Project) { db(p).Container.CapAdd = []string{"SYS_ADMIN"} }, "capability SYS_ADMIN"},
		{"a label of ours", func(p *Project) { db(p).Container.Labels = map[string]string{LabelController: "x"} }, "Teal's own"},
		{"a bad variable", func(p *Project) { db(p).Container.Environment = map[string]string{"A=B": "x"} }, "is not a name of a variable"},
		{"a zero byte", func(p *Project) { db(p).Container.Environment = map[string]string{"A": "\x00"} }, "holds a zero byte"},
		{"a bad port", func(p *Project) { db(p).Container.Ports[0].Target = 0 }, "0 is not a port"},
		{"a bad published port", func(p *Project) { db(p).Container.Ports[0].Published = "9-5" }, `"9-5" is not a port or a range`},
		{"a bad protocol", func(p *Project) { db(p).Container.Ports[0].Protocol = "sctp" }, `the protocol "sctp" is not honoured`},
		{"a bad host address", func(p *Project) { db(p).Container.Ports[0].HostIP = "x" }, "is not an address of the host"},
		{"an unknown dependency", func(p *Project) { app(p).DependsOn[0].Service = "x" }, `services.app.depends_on.x: there is no service "x"`},
		{"a dependency twice", func(p *Project) { app(p).DependsOn = append(app(p).DependsOn, app(p).DependsOn[0]) }, "is there twice"},
		{"an unknown condition", func(p *Project) { app(p).DependsOn[0].Condition = "well" }, `"well" is not a condition`},
		{"a ring", func(p *Project) { db(p).DependsOn = []Dependency{{"app", Started}} }, "services wait for each other: app → db → app"},
		{"an unknown colour", func(p *Project) { app(p).Rollout.Active = "red" }, `services.app.x-teal.active: must be auto, blue or green, not "red"`},
		{"an unknown strategy", func(p *Project) { app(p).Rollout.Strategy = "canary" }, `must be blue-green, not "canary"`},
		{"an unknown promotion", func(p *Project) { app(p).Rollout.Promotion.Mode = "x" }, "must be auto, manual or after"},
		{"a gate without end", func(p *Project) { app(p).Rollout.Promotion.Timeout = 0 }, "promotion.timeout: must be longer than 0"},
		{"a host in capitals", func(p *Project) { app(p).Rollout.Route.Host = "API" }, `"API" is not a host name`},
		{"a path with a slash at its end", func(p *Project) { app(p).Rollout.Route.Path = "/a/" }, `"/a/" is not a path prefix`},
		{"no port", func(p *Project) { app(p).Rollout.Route.Port = 0 }, "route.port: 0 is not a port"},
		{"no probe port", func(p *Project) { app(p).Rollout.Health.Port = -1 }, "health.port: -1 is not a port"},
		{"no kind of probe", func(p *Project) { app(p).Rollout.Health.Kind = "" }, "must be http, tcp or docker"},
		{"no interval", func(p *Project) { app(p).Rollout.Health.Interval = 0 }, "health.interval: must be longer than 0"},
		{"a bad pattern", func(p *Project) { app(p).Rollout.Health.Body = "(" }, "is not a regular expression"},
		{"a header with a line break", func(p *Project) { app(p).Rollout.Health.Headers = map[string]string{"A": "b\r\nC: d"} }, "is not a header"},
		{"a test without a command", func(p *Project) { *app(p).Rollout.Test = Test{Timeout: 1} }, "needs a command"},
		{"a share over one", func(p *Project) { app(p).Rollout.Bake.MaxFailed = 2 }, "must be from 0 to 1"},
		{"a negative drain", func(p *Project) { app(p).Rollout.Drain.Requests = -1 }, "must not be negative"},
	} {
		p := viaJSON(t, good)
		c.do(&p)
		t.Run(c.what, func(t *testing.T) { refused(t, p.Validate(Policy{Dir: dir}), c.want) })
	}
}

// TestPolicy: what the zero policy refuses, and what allows it.
func TestPolicy(t *testing.T) {
	dir := files(t, map[string]string{"p/data/x": "", "shared/y": ""})
	if err := os.Symlink("/etc", filepath.Join(dir, "p", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "p", "dangling")); err != nil {
		t.Fatal(err)
	}
	own := Policy{Dir: filepath.Join(dir, "p")}
	for _, c := range []struct {
		what, source string
		policy       Policy
		refused      string
	}{
		{"in the project's folder", dir + "/p/data", own, ""},
		{"not there yet", dir + "/p/new/deep", own, ""},
		{"beside the project's folder", dir + "/shared", own, "lies outside the project's folder"},
		{"beside, with a name that begins alike", dir + "/p2", own, "lies outside the project's folder"},
		{"behind a link out of the folder", dir + "/p/link", own, "lies outside the project's folder"},
		{"below a link out of the folder", dir + "/p/link/ssl", own, "lies outside the project's folder"},
		{"behind a link to nowhere", dir + "/p/dangling", own, "follow links"},
		{"beside, allowed", dir + "/shared/y", Policy{AllowBinds: []string{dir + "/shared"}}, ""},
		{"without any folder", dir + "/p/data", Policy{}, "lies outside the project's folder"},
		{"the socket although its folder is allowed", "/var/run/docker.sock", Policy{AllowBinds: []string{"/var/run"}}, "engine's socket"},
		{"the folder of the socket", "/run", Policy{AllowBinds: []string{"/"}}, "engine's socket"},
		{"everything", "/", Policy{AllowBinds: []string{"/"}}, "engine's socket"},
		{"the socket, allowed by both", "/var/run/docker.sock", Policy{AllowBinds: []string{"/var/run", "/run"}, AllowEngineSocket: true}, ""},
		{"the socket, without a path", "/var/run/docker.sock", Policy{AllowEngineSocket: true}, "lies outside"},
	} {
		err := c.policy.CheckBind(c.source)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.refused)
		}
	}
	for _, err := range []error{
		Policy{AllowCapabilities: []string{"cap_sys_admin"}}.CheckCapability("SYS_ADMIN"),
		Policy{}.CheckCapability("CAP_CHOWN"),
		Policy{AllowSecurityOpts: []string{"apparmor=web"}}.CheckSecurityOpt("apparmor=web"),
		Policy{AllowDrivers: []string{"macvlan"}}.CheckNetwork(Network{Name: "n", Driver: "macvlan"}),
		Policy{AllowDrivers: []string{"rexray"}}.CheckVolume(Volume{Driver: "rexray", DriverOpts: map[string]string{"x": "y"}}),
		Policy{}.CheckVolume(Volume{DriverOpts: map[string]string{"type": "nfs", "o": "addr=10.0.0.1", "device": ":/x"}}),
	} {
		if err != nil {
			t.Errorf("refused, although allowed: %v", err)
		}
	}
}

func TestDiff(t *testing.T) {
	from := mustCompose(t, "services:\n  gone: {image: g}\n  web:\n    image: web:1\n    environment: {PASSWORD: hunter1, OLD: x}\n    x-teal: {route: {port: 80, preview: {token: hunter3}}, health: {http: /up, headers: {A: hunter5}}}\n")
	to := mustCompose(t, "services:\n  new: {image: n}\n  web:\n    image: web:2\n    environment: {PASSWORD: hunter2, NEW: y}\n    command: [a, b]\n    x-teal: {active: blue, route: {port: 80, preview: {token: hunter4}}, health: {http: /up, headers: {A: hunter6}, deadline: 1m}}\n")
	var got []string
	for _, c := range Diff(*from, *to) {
		got = append(got, c.String())
	}
	want := `services.gone: removed gone: 
services.new: added
services.web.container.command: added (hidden)
services.web.container.environment.NEW: added (hidden)
services.web.container.environment.OLD: removed (hidden)
services.web.container.environment.PASSWORD: (hidden) → (changed)
services.web.container.image: web:1 → web:2
services.web.rollout.active: auto → blue
services.web.rollout.health.deadline: 2m0s → 1m0s
services.web.rollout.health.headers.A: (hidden) → (changed)
services.web.rollout.route.preview.token: (hidden) → (changed)`
	want = strings.Replace(strings.Replace(want, "removed gone: ", "removed g:latest", 1), "new: added", "new: added n:latest", 1)
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if same := Diff(*from, *from); len(same) != 0 {
		t.Errorf("a state differs from itself: %v", same)
	}
	whole := Diff(Project{Name: "p", Services: []Service{{Name: Name{"p", "a"}}}}, *from)
	for _, c := range whole {
		if strings.Contains(c.String(), "hunter") {
			t.Errorf("a secret is shown: %s", c)
		}
	}
}

// TestDiffHidesSecretsInWholes: also where a whole block is new.
func TestDiffHidesSecretsInWholes(t *testing.T) {
	s := sampleService()
	s.Name.Service = "a"
	with := Project{Services: []Service{s}}
	without := Project{Services: []Service{{Name: s.Name}}}
	secrets := []string{s.Rollout.Route.Preview.Token}
	for _, m := range []map[string]string{s.Container.Environment, s.Rollout.Test.Environment, s.Rollout.Health.Headers} {
		secrets = slices.AppendSeq(secrets, maps.Values(m))
	}
	if len(secrets) != 4 {
		t.Fatalf("the sample has %d secrets", len(secrets))
	}
	for _, changes := range [][]Change{Diff(without, with), Diff(with, without)} {
		for _, c := range changes {
			if slices.Contains(secrets, c.Old) || slices.Contains(secrets, c.New) {
				t.Errorf("a secret is shown: %s", c)
			}
		}
	}
}
