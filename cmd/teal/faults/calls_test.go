package faults

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/docker/faulty"
	"teal/deploy/rig"
	"teal/reconcile"
	"teal/spec"
)

// limit is what the engine is given for a question (--engine-limit): late calls
// come later than that.
const limit = "5s"

// journey is what a controller is taken through while one of its calls fails.
type journey struct {
	nginx bool // its proxy is an nginx that Teal runs
	yours bool // its proxy is an nginx in a container of the operator's
	far   bool // that nginx is on a host over ssh
	alone bool // the controller is another program, of which no image is there yet
	// on goes on from v1, which serves, until wants serves.
	on    func(t *testing.T, x *site)
	wants string
	// down removes everything in the end.
	down bool
}

// journeys lead to calls that the usual one, an update, does not make.
func journeys() map[string]journey {
	update := journey{on: func(_ *testing.T, x *site) { x.edit(x.wants("app:v2")) }, wants: "v2"}
	pullFrom := func(registry string) journey {
		return journey{on: func(t *testing.T, x *site) {
			// One of its own: what another journey has pulled is there.
			x.registryServer.Push(t, "team/app:"+x.id, dockertest.Options{Env: map[string]string{"VERSION": "v2", "SITE": x.id}})
			x.edit(strings.Replace(x.wants(registry+"/team/app:"+x.id), "never", "missing", 1))
		}, wants: "v2"}
	}
	pull := pullFrom(registryHost)
	with := func(j journey, edit func(*journey)) journey { edit(&j); return j }
	down := with(update, func(j *journey) { j.down = true })
	nginx := with(update, func(j *journey) { j.nginx = true })
	volume := journey{on: func(_ *testing.T, x *site) {
		x.edit(x.wants("app:v2", "    volumes: [data:/data]", "volumes: {data: {}}"))
	}, wants: "v2"}
	volumeDown := with(volume, func(j *journey) { j.down = true })
	yours := with(update, func(j *journey) { j.yours = true })
	far := with(nginx, func(j *journey) { j.far = true })
	return map[string]journey{
		"": update,
		"ContainerUnpause": with(update, func(j *journey) {
			j.on = func(t *testing.T, x *site) { x.docker(t, "pause", x.only()); x.edit(x.wants("app:v2")) }
		}),
		// A proxy that is replaced has its predecessor end.
		"ContainerKill": with(update, func(j *journey) {
			j.on = func(_ *testing.T, x *site) {
				x.kill()
				x.start("--engine-limit", limit, "--trusted", "10.0.0.0/8")
				x.edit(x.wants("app:v2"))
			}
		}),
		"ContainerLogs":       {on: heldOnce, wants: "v1"},
		"ImagePull":           pull,
		"ImageTag":            pull,
		"DistributionInspect": pullFrom(plainRegistry),
		"ImageImport":         with(update, func(j *journey) { j.alone = true }),
		"VolumeInspect":       volume,
		"VolumeCreate":        volume,
		"ContainerExecCreate": nginx, "ContainerExecAttach": nginx, "ContainerExecInspect": nginx,
		"CopyToContainer": far, "CopyFromContainer": yours,
		"NetworkRemove": down, "VolumeList": volumeDown, "VolumeRemove": volumeDown, "ImageList": down,
		"ImageRemove": with(down, func(j *journey) { j.alone = true }), // its proxy's, which nobody else uses
		"Info": with(update, func(j *journey) {
			j.on = func(t *testing.T, x *site) {
				until(t, "doctor sees the engine", func() error {
					if out, _ := x.teal("doctor", "--docker", x.engine, "--controller", x.id, "--engine-limit", limit); !strings.Contains(out, "live-restore is off") {
						return fmt.Errorf("%s", out)
					}
					return nil
				})
				x.edit(x.wants("app:v2"))
			}
		}),
		"ServerVersion": with(update, func(j *journey) {
			j.on = func(_ *testing.T, x *site) {
				x.teal("version")
				x.teal("doctor", "--docker", x.engine)
				x.edit(x.wants("app:v2"))
			}
		}),
	}
}

// heldOnce rolls a bad version out, which is held with the evidence of its logs,
// and takes the wish back.
func heldOnce(_ *testing.T, x *site) {
	x.edit(strings.Replace(x.wants("app:bad"), "deadline: 30s", "deadline: 2s", 1))
	x.says("it is held", func(s reconcile.Status) bool { return s.Hold != nil && s.Phase == reconcile.Idle })
	x.edit(x.wants("app:v1"))
}

// TestEveryCall does every fault to every call that Teal makes, in the first
// deployment and again in what follows. The end is the same each time: nothing
// is there twice, nothing is left over, and strangers were not touched.
func TestEveryCall(t *testing.T) {
	long(t)
	t.Parallel()
	s := newStage(t, rig.HostOptions{SSH: true, Daemon: `{"insecure-registries": ["` + plainRegistry + `"]}`})
	all := journeys()
	s.registry(t)
	s.loadNginx(t)
	s.ingress(t)
	s.docker(t, "run", "-d", "--name", "stranger", "app:v3")
	stranger := s.strangers(t)
	t.Run("calls", func(t *testing.T) {
		for _, call := range faulty.Calls() {
			for _, kind := range faulty.Kinds() {
				t.Run(call+" "+string(kind), func(t *testing.T) {
					t.Parallel()
					j, ok := all[call]
					if !ok {
						j = all[""]
					}
					j.travel(t, s, faulty.Fault{Call: call, Kind: kind, Times: times(kind), For: time.Hour})
				})
			}
		}
	})
	if now := s.strangers(t); now != stranger {
		t.Errorf("the stranger is %s, was %s", now, stranger)
	}
}

// times is how often a fault hits: net/http asks a second time by itself where a
// connection was cut.
func times(k faulty.Kind) int {
	if k == faulty.Cut {
		return 3
	}
	return 1
}

func (s *stage) strangers(t *testing.T) string {
	t.Helper()
	return s.docker(t, "inspect", "-f", "{{.Id}} {{.State.Status}} {{.State.StartedAt}} {{.Config.Labels}}", "stranger")
}

// travel takes a new controller through j with a fault in each half.
func (j journey) travel(t *testing.T, s *stage, f faulty.Fault) {
	x := newSite(t, s)
	p := x.faultily()
	x.edit(x.wants("app:v1"))
	p.Break(f)
	flags := []string{"--engine-limit", limit}
	if j.nginx || j.yours {
		admin := fmt.Sprintf("127.0.0.1:%d", 8000+lastPort.Add(1))
		flags = append(flags, "--proxy", "nginx", "--nginx-admin", admin)
	}
	if j.nginx {
		flags = append(flags, "--nginx-image", "nginx:1")
	}
	if j.yours {
		x.docker(t, "run", "-d", "--network", "host", "--name", "nginx-"+x.id, "nginx:yours")
		flags = append(flags, "--nginx-container", "nginx-"+x.id)
	}
	if j.alone {
		x.otherProgram()
	}
	if j.far {
		x.host = fmt.Sprintf("one=%s%s?address=%s&identity=%s&known_hosts=%s", x.SSHURL(), strings.TrimPrefix(x.engine, "unix://"), x.Address, x.Identity(), x.KnownHosts())
	}
	x.start(flags...)
	x.settled("v1")
	hit := p.Hit()
	p.Heal()
	p.Break(f)
	j.on(t, x)
	x.settled(j.wants)
	x.only()
	x.once(t, !j.yours)
	if j.down {
		x.takeDown(t)
	}
	if hit += p.Hit(); hit == 0 {
		t.Errorf("%s was never called: journeys needs one that leads to it; there were %v", f.Call, p.Seen())
	}
}

// once expects that what one controller needs is there exactly once; a proxy that
// was replaced may still have to be told to end.
func (x *site) once(t *testing.T, proxy bool) {
	t.Helper()
	mine := "label=" + spec.LabelController + "=" + x.id
	until(t, "one proxy is left", func() error {
		proxies := x.docker(t, "ps", "-a", "--filter", mine, "--filter", "label="+spec.LabelRole+"="+spec.RoleProxy, "--format", "{{.Names}} {{.State}}")
		if proxy && (strings.Count(proxies, "\n") != 0 || !strings.HasSuffix(proxies, " running")) || !proxy && proxies != "" {
			return fmt.Errorf("proxies %q", proxies)
		}
		return nil
	})
	if networks := x.docker(t, "network", "ls", "--filter", "name=^"+x.project+"_default$", "-q"); strings.Count(networks, "\n") != 0 || networks == "" {
		t.Errorf("networks %q", networks)
	}
	if networks := x.docker(t, "network", "ls", "--filter", "name=^teal-ingress$", "-q"); strings.Count(networks, "\n") != 0 || networks == "" {
		t.Errorf("networks of the ingress %q", networks)
	}
}

// takeDown removes everything, as often as it takes.
func (x *site) takeDown(t *testing.T) {
	t.Helper()
	x.kill()
	until(t, "all is removed", func() error {
		if out, code := x.teal("down", "--yes", "--volumes", "--controller", x.id, "--docker", x.engine); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	mine := "label=" + spec.LabelController + "=" + x.id
	if left := x.docker(t, "ps", "-aq", "--filter", mine); left != "" {
		t.Errorf("containers are left over: %q", left)
	}
	// Other controllers are on the ingress network, whoever made it.
	if left := x.docker(t, "network", "ls", "-q", "--filter", "name="+x.project); left != "" {
		t.Errorf("networks are left over: %q", left)
	}
}

// loadNginx gives the stage images of this machine's nginx: nginx:1, and
// nginx:yours, whose configuration includes Teal's.
func (s *stage) loadNginx(t testing.TB) {
	t.Helper()
	tar := filepath.Join(s.Folder(), "nginx.tar")
	files := rig.Files{
		Programs: []string{"/usr/sbin/nginx"}, Trees: []string{"/etc/nginx/mime.types"}, Copies: map[string]string{},
		Texts:   map[string]string{"/etc/nginx/nginx.conf": nginxMain},
		Folders: []string{"/etc/nginx/conf.d", "/var/log/nginx", "/var/lib/nginx", "/var/cache/nginx", "/usr/share/nginx", "/var/lock"},
	}
	for _, name := range []string{"sh", "mv", "ln", "rm", "cat", "mkdir"} {
		files.Programs = append(files.Programs, "/bin/"+name)
	}
	for _, ref := range []string{"nginx:1", "nginx:yours"} {
		if ref == "nginx:yours" {
			// As a pattern, which may fit nothing.
			files.Texts["/etc/nginx/nginx.conf"] = strings.Replace(nginxMain, "conf.d/*.conf;", "teal/tea[l].conf;", 1)
		}
		if err := rig.Pack(t.Context(), tar, files); err != nil {
			t.Fatal(err)
		}
		img := rig.Image{Ref: ref, Tar: tar, Changes: []string{`CMD ["nginx", "-g", "daemon off;"]`, "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}
		if err := s.Load(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
}

const nginxMain = "user www-data;\npid /run/nginx.pid;\nerror_log /dev/stderr notice;\nevents {}\nhttp {\n" +
	"  include /etc/nginx/mime.types;\n  access_log off;\n  include /etc/nginx/conf.d/*.conf;\n}\n"
