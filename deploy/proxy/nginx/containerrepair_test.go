package nginx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	dc "github.com/docker/docker/api/types/container"

	"teal/deploy/docker/dockertest"
)

// serving is a managed container that answers "first" on address.
func serving(t *testing.T, hostFolder string) (p Place, name, address string) {
	t.Helper()
	image, engine := nginxImage(t), openEngine(t)
	address = freeAddress(t)
	p = Managed(ManagedOptions{Image: image, Engine: engine, HostFolder: hostFolder})
	started, err := p.Ensure(t.Context())
	if err != nil || !started {
		t.Fatalf("started %t, %v", started, err)
	}
	must(t, p.Write(t.Context(), site(address, "first")))
	reload(t, p)
	await(t, "it answers", func() bool { return get(t.Context(), p, address) == "first" })
	return p, engine.CarrierName("nginx"), address
}

// A container that is gone comes back with what it served, without its driver.
func TestManagedContainerThatWasRemovedServesAgain(t *testing.T) {
	for _, hostFolder := range []string{"", "host"} {
		t.Run("folder "+hostFolder, func(t *testing.T) {
			if hostFolder != "" {
				hostFolder = filepath.Join(t.TempDir(), hostFolder)
			}
			p, name, address := serving(t, hostFolder)
			hand := dockertest.Client(t)
			for what, harm := range map[string]func() error{
				"killed":  func() error { return hand.ContainerKill(t.Context(), name, "SIGKILL") },
				"stopped": func() error { return hand.ContainerStop(t.Context(), name, dc.StopOptions{}) },
				"paused":  func() error { return hand.ContainerPause(t.Context(), name) },
				"removed": func() error { return hand.ContainerRemove(t.Context(), name, dc.RemoveOptions{Force: true}) },
			} {
				must(t, harm())
				if _, err := p.Ensure(t.Context()); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				await(t, what+": it answers again", func() bool { return get(t.Context(), p, address) == "first" })
			}
		})
	}
}

func TestMainConfigurationEditedByHandIsMended(t *testing.T) {
	p, _, address := serving(t, "")
	before, err := p.Read(t.Context(), "nginx.conf")
	must(t, err)
	must(t, p.Write(t.Context(), File{Name: "nginx.conf", Content: []byte("events {}\n")}))
	reload(t, p)
	await(t, "it serves nothing", func() bool { return get(t.Context(), p, address) != "first" })
	if _, err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads(t, p, "nginx.conf", string(before))
	await(t, "it answers again", func() bool { return get(t.Context(), p, address) == "first" })
}

// A table that cannot be loaded keeps nginx from starting: it goes, and the
// driver is told.
func TestBrokenTableIsTakenOutOfAContainerThatKeepsExiting(t *testing.T) {
	p, name, _ := serving(t, "")
	must(t, p.Write(t.Context(), File{Name: "teal.conf", Content: []byte("nonsense;")}))
	must(t, dockertest.Client(t).ContainerRestart(t.Context(), name, dc.StopOptions{}))
	await(t, "Ensure started it anew", func() bool {
		started, err := p.Ensure(t.Context())
		return started && err == nil
	})
	if content, err := p.Read(t.Context(), "teal.conf"); err != nil || strings.Contains(string(content), "nonsense") {
		t.Errorf("%q, %v", content, err)
	}
	if out, err := p.Nginx(t.Context(), "-t"); err != nil {
		t.Errorf("%s %v", out, err)
	}
}

func TestPortOfSomebodyElseIsNamedAndTheTableKept(t *testing.T) {
	p, name, address := serving(t, "")
	hand := dockertest.Client(t)
	must(t, hand.ContainerStop(t.Context(), name, dc.StopOptions{}))
	l := listenOn(t, address)
	defer l.Close()
	if _, err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "its words", func() bool {
		_, err := p.Ensure(t.Context())
		return err != nil && strings.Contains(err.Error(), "bind() to "+address)
	})
	l.Close()
	await(t, "it answers again", func() bool {
		_, err := p.Ensure(t.Context())
		return err == nil && get(t.Context(), p, address) == "first"
	})
}

func TestStrangersContainer(t *testing.T) {
	image := nginxImage(t)
	engine := openEngine(t)
	hand := dockertest.Client(t)

	without := startOther(t, image, "# nothing of Teal")
	p := InContainer(ContainerOptions{Engine: engine, Name: without, Host: "edge"})
	_, err := p.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "include /etc/nginx/teal/teal.conf;") || !strings.Contains(err.Error(), without+" on edge") {
		t.Errorf("without the line: %v", err)
	}

	_, err = InContainer(ContainerOptions{Engine: engine, Name: "teal-test-none"}).Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "teal-test-none") {
		t.Errorf("no container: %v", err)
	}

	// The plain line keeps nginx from starting until the file is there.
	name := startOther(t, image, "include /etc/nginx/teal/teal.conf;")
	p = InContainer(ContainerOptions{Engine: engine, Name: name})
	ensured := func() bool { _, err := p.Ensure(t.Context()); return err == nil }
	await(t, "it starts", ensured)
	address := freeAddress(t)
	must(t, p.Write(t.Context(), site(address, "first")))
	reload(t, p)
	await(t, "it answers", func() bool { return get(t.Context(), p, address) == "first" })

	// Made anew, it has lost its folder; that is told.
	found, err := hand.ContainerInspect(t.Context(), name)
	must(t, err)
	must(t, hand.ContainerRemove(t.Context(), name, dc.RemoveOptions{Force: true}))
	made, err := hand.ContainerCreate(t.Context(), found.Config, found.HostConfig, nil, nil, name)
	must(t, err)
	must(t, hand.ContainerStart(t.Context(), made.ID, dc.StartOptions{}))
	await(t, "it starts again", ensured)
	reads(t, p, "teal.conf", "# Teal writes this file. It serves nothing yet.\n")

	// Broken by hand inside Teal's folder, and restarted.
	must(t, p.Write(t.Context(), File{Name: "teal.conf", Content: []byte("nonsense;")}))
	must(t, hand.ContainerRestart(t.Context(), name, dc.StopOptions{}))
	await(t, "it starts without the broken table", ensured)
}

func TestServiceBehindSSH(t *testing.T) {
	remote, folder := startServer(t)
	main, pid := filepath.Join(folder, "nginx.conf"), filepath.Join(folder, "nginx.pid")
	configure := func(http string) {
		must(t, os.WriteFile(main, []byte("user root;\nerror_log "+folder+"/error.log;\npid "+pid+";\nevents {}\nhttp { access_log off; "+http+" }\n"), 0o644))
	}
	o := SSHOptions{Remote: remote, Host: "edge", Folder: filepath.Join(folder, "teal"), Config: main}
	expect := func(words string) {
		t.Helper()
		if _, err := OverSSH(o).Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want %q", err, words)
		}
	}
	configure("")
	expect("include " + folder + "/teal/teal.conf;")
	configure("include " + folder + "/teal/teal.conf; nonsense;")
	expect(`its own configuration is refused`)
	configure("include " + folder + "/teal/teal.conf;")
	expect("nginx on edge does not run")
	o.Start = "false"
	expect("exit status 1")
	o.Start = "nginx -c " + main
	t.Cleanup(func() { stopService(t, pid) })
	p := OverSSH(o)
	started, err := p.Ensure(t.Context())
	if err != nil || !started {
		t.Fatalf("started %t, %v", started, err)
	}
	if started, err := p.Ensure(t.Context()); err != nil || started {
		t.Errorf("again: started %t, %v", started, err)
	}
	stopService(t, pid)
	if started, err := p.Ensure(t.Context()); err != nil || !started {
		t.Errorf("after it ended: started %t, %v", started, err)
	}
	o.Binary = "no such nginx"
	expect("no such nginx")
	o.Binary, o.Sudo = "", true
	expect("sudo")
}
