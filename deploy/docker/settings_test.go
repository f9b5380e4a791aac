package docker_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// within is the policy of projects whose folder is dir.
func within(dir string) docker.Options {
	return docker.Options{Policy: func(string) spec.Policy { return spec.Policy{Dir: dir} }}
}

func TestEverySettingReachesTheEngine(t *testing.T) {
	dir := t.TempDir()
	engine, _ := open(t, within(dir))
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	yes := true
	named := name.Project + "_data"
	c := &en.Revision.Container
	c.Command = []string{"/app"}
	c.Environment = map[string]string{"VERSION": "9", "EMPTY": ""}
	c.User, c.WorkingDir, c.Hostname = "1000:1000", "/tmp", "hello"
	c.Init, c.ReadOnly, c.CapDrop, c.SecurityOpt = &yes, true, []string{"ALL"}, []string{"no-new-privileges:true"}
	c.ExtraHosts, c.ShmSize = []string{"other:10.0.0.9"}, 1<<20
	c.Ulimits = []spec.Ulimit{{Name: "nofile", Soft: 1000, Hard: 2000}}
	c.Labels = map[string]string{"mine": "yes", "teal.role": "proxy"}
	c.StopSignal, c.StopGracePeriod, c.Restart = "SIGINT", spec.Duration(1500*time.Millisecond), "on-failure:3"
	c.Mounts = []spec.Mount{
		{Type: spec.MountVolume, Source: named, Target: "/data", Volume: &spec.Volume{Name: named, Labels: map[string]string{"mine": "yes"}}},
		{Type: spec.MountVolume, Target: "/anonymous"},
		{Type: spec.MountBind, Source: filepath.Join(dir, "made"), Target: "/made", ReadOnly: true, CreateHostPath: true},
		{Type: spec.MountBind, Source: dir, Target: "/dir"},
		{Type: spec.MountTmpfs, Target: "/cache", TmpfsSize: 1 << 20, TmpfsMode: 0o700},
	}
	c.Healthcheck = &spec.Healthcheck{Test: []string{"CMD", "/app", "smoke", "http://127.0.0.1:8080"}, Interval: spec.Duration(100 * time.Millisecond), Timeout: spec.Duration(5 * time.Second), Retries: 2}
	c.Logging = &spec.Logging{Driver: "json-file", Options: map[string]string{"max-size": "1m"}}
	c.Resources = spec.Resources{NanoCPUs: 5e8, Memory: 64 << 20, Pids: 100}
	made := ensured(t, engine, name, en)
	await(t, "the engine's own check passes", func() bool { return ensured(t, engine, name, en).Health == reconcile.HealthHealthy })

	got := inspect(t, made.ID)
	host := got.HostConfig
	for what, ok := range map[string]bool{
		"environment": contains(got.Config.Env, "VERSION=9", "EMPTY="),
		"user":        got.Config.User == "1000:1000" && got.Config.WorkingDir == "/tmp" && got.Config.Hostname == "hello",
		"hardening":   *host.Init && host.ReadonlyRootfs && slices.Contains(host.CapDrop, "ALL") && len(host.SecurityOpt) == 1,
		"hosts":       contains(host.ExtraHosts, "other:10.0.0.9") && host.ShmSize == 1<<20,
		"ulimits":     len(host.Ulimits) == 1 && host.Ulimits[0].Hard == 2000,
		"labels":      got.Config.Labels["mine"] == "yes" && got.Config.Labels[spec.LabelRole] == spec.RoleReplica,
		"stop":        got.Config.StopSignal == "SIGINT" && *got.Config.StopTimeout == 2,
		"restart":     host.RestartPolicy.Name == "on-failure" && host.RestartPolicy.MaximumRetryCount == 3,
		"logging":     host.LogConfig.Type == "json-file" && host.LogConfig.Config["max-size"] == "1m",
		"resources":   host.NanoCPUs == 5e8 && host.Memory == 64<<20 && *host.PidsLimit == 100,
		"mounts":      len(got.Mounts) == 5 || len(got.Mounts) == 4, // older engines do not list a tmpfs
	} {
		if !ok {
			t.Errorf("%s: config %+v, host %+v, mounts %+v", what, got.Config, host, got.Mounts)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "made")); err != nil || !info.IsDir() {
		t.Errorf("the bind source was not made: %v", err)
	}
}

func TestRemovalKeepsNamedVolumesOnly(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	name := app(t)
	en := replica(name, local(t, dockertest.Options{}), "")
	named := name.Project + "_data"
	en.Revision.Container.Mounts = []spec.Mount{
		{Type: spec.MountVolume, Source: named, Target: "/data", Volume: &spec.Volume{Name: named}},
		{Type: spec.MountVolume, Target: "/anonymous"},
	}
	made := ensured(t, engine, name, en)
	anonymous := ""
	for _, m := range inspect(t, made.ID).Mounts {
		if m.Destination == "/anonymous" {
			anonymous = m.Name
		}
	}
	if f := engine.Perform(t.Context(), reconcile.Step{Kind: reconcile.StepRemove, Container: made.ID}).Failure; f != nil {
		t.Fatal(f)
	}
	hand := dockertest.Client(t)
	if _, err := hand.VolumeInspect(t.Context(), anonymous); err == nil {
		t.Error("the anonymous volume is still there")
	}
	list, err := hand.VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", spec.LabelController+"="+controller))})
	if err != nil || len(list.Volumes) != 1 || list.Volumes[0].Name != named {
		t.Errorf("volumes %v, %v", list.Volumes, err)
	}
}

func TestPolicyIsCheckedOnTheFinalRequest(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.Symlink("/etc", inside); err != nil {
		t.Fatal(err)
	}
	engine, _ := open(t, within(dir))
	name := app(t)
	img := local(t, dockertest.Options{})
	named := name.Project + "_data"
	for what, change := range map[string]func(c *spec.Container){
		"a mount of a folder outside": func(c *spec.Container) { c.Mounts = []spec.Mount{{Type: spec.MountBind, Source: "/etc", Target: "/x"}} },
		"a bind of a folder outside": func(c *spec.Container) {
			c.Mounts = []spec.Mount{{Type: spec.MountBind, Source: "/etc", Target: "/x", CreateHostPath: true}}
		},
		"a link that leads outside": func(c *spec.Container) { c.Mounts = []spec.Mount{{Type: spec.MountBind, Source: inside, Target: "/x"}} },
		"the engine's socket": func(c *spec.Container) {
			c.Mounts = []spec.Mount{{Type: spec.MountBind, Source: "/var/run/docker.sock", Target: "/x"}}
		},
		"a volume that is a bind in disguise": func(c *spec.Container) {
			c.Mounts = []spec.Mount{{Type: spec.MountVolume, Source: named, Target: "/x", Volume: &spec.Volume{
				Name: named, DriverOpts: map[string]string{"type": "none", "o": "bind", "device": "/etc"},
			}}}
		},
		"a named pipe":            func(c *spec.Container) { c.Mounts = []spec.Mount{{Type: "npipe", Source: "x", Target: "/x"}} },
		"a capability":            func(c *spec.Container) { c.CapAdd = []string{"SYS_ADMIN"} },
		"no confinement":          func(c *spec.Container) { c.SecurityOpt = []string{"seccomp=unconfined"} },
		"the host's network":      func(c *spec.Container) { c.Networks = []spec.Network{{Name: "host", External: true}} },
		"a network of the host's": func(c *spec.Container) { c.Networks[0].Driver = "macvlan" },
	} {
		t.Run(what, func(t *testing.T) {
			en := replica(name, img, spec.Blue)
			change(&en.Revision.Container)
			wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonEngineRefused, "policy")
		})
	}
	if seen, err := engine.Observe(t.Context(), name, reconcile.Look{}); err != nil || len(seen.Containers) != 0 {
		t.Errorf("seen %+v, %v", seen, err)
	}
}

func TestRestartPolicyMustBeOne(t *testing.T) {
	engine, _ := open(t, docker.Options{})
	name := app(t)
	for _, wrong := range []string{"sometimes", "on-failure:many", "always:3"} {
		en := replica(name, reconcile.Image{Ref: "x:1", Digest: "sha256:0", Local: true}, spec.Blue)
		en.Revision.Container.Restart = wrong
		wants(t, ensure(t, engine, name, en), reconcile.Permanent, reconcile.ReasonEngineRefused, wrong)
	}
}
