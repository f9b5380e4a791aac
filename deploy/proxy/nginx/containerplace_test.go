package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	dc "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/deploy/fleet/ssh"
	"teal/deploy/fleet/ssh/sshtest"
	"teal/deploy/workbench"
)

// limit bounds every wait of these tests.
const limit = 60 * time.Second

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

// nginxImage makes an image of this machine's nginx, removed after the test.
func nginxImage(t *testing.T) string {
	t.Helper()
	bench, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	purpose := "test-" + dockertest.Unique()
	ref := "teal-test-nginx:" + purpose
	t.Cleanup(func() {
		if _, err := bench.RemoveImages(context.Background(), purpose); err != nil {
			t.Error(err)
		}
		bench.Close()
	})
	if err := bench.MakeNginx(t.Context(), ref, purpose); err != nil {
		t.Fatal(err)
	}
	return ref
}

// openEngine returns this machine's engine for a controller of the test's own.
// All that it made is removed after the test.
func openEngine(t *testing.T) *docker.Engine {
	t.Helper()
	id := dockertest.ControllerID(t)
	engine, err := docker.New(docker.Options{ControllerID: id, Ingress: docker.Ingress{Name: "ingress-" + id}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(engine.RemoveAll(context.Background(), true), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// site is a table: what the included file holds to answer text on an address.
func site(address, text string) File {
	return File{Name: "teal.conf", Content: fmt.Appendf(nil,
		"server { listen %s; keepalive_timeout 0; location / { if (-f %s/flags/x) { return 200 flagged; } return 200 %q; } }\n",
		address, DefaultFolder, text)}
}

func listenOn(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	await(t, address+" is free", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// get returns what the place's nginx answers, dialled from where it runs.
func get(ctx context.Context, p Place, address string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := p.Dial(ctx, "tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")); err != nil {
		return err.Error()
	}
	var text strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
			return body
		}
	}
}

// placed is one kind of place under test, that runs with an empty folder.
type placed struct {
	Place
	mode func(t *testing.T, name string) fs.FileMode // of a file; nil: cannot be told
}

// kinds are all places that are not a process of this machine.
var kinds = map[string]func(t *testing.T) placed{
	"managed container, volume": func(t *testing.T) placed {
		return placed{Place: Managed(ManagedOptions{Image: nginxImage(t), Engine: openEngine(t)})}
	},
	"managed container, folder of this host": func(t *testing.T) placed {
		image, folder := nginxImage(t), filepath.Join(t.TempDir(), "made", "by it")
		return placed{
			Place: Managed(ManagedOptions{Image: image, Engine: openEngine(t), HostFolder: folder}),
			mode: func(t *testing.T, name string) fs.FileMode {
				info, err := os.Stat(filepath.Join(folder, name))
				must(t, err)
				return info.Mode()
			},
		}
	},
	"container of somebody else's": func(t *testing.T) placed {
		name := startOther(t, nginxImage(t), "include /etc/nginx/teal/teal.con[f];")
		return placed{Place: InContainer(ContainerOptions{Engine: openEngine(t), Name: name})}
	},
	"service behind ssh": func(t *testing.T) placed { return startService(t) },
}

func TestPlacesKeepFilesAndRunNginx(t *testing.T) {
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) { checkPlace(t, start(t)) })
	}
}

func checkPlace(t *testing.T, p placed) {
	ctx := t.Context()
	_, err := p.Ensure(ctx)
	must(t, err)
	if started, err := p.Ensure(ctx); started || err != nil {
		t.Fatalf("again: started %t, %v", started, err)
	}
	odd := "a/b c/it's $HOME `x` \"q\";\\.txt"
	binary := []byte("line\r\n\x00\xff'\n\n")
	must(t, p.Write(ctx, File{Name: odd, Content: binary}, File{Name: "a/e/"},
		File{Name: "empty"}, File{Name: "key", Content: []byte("k"), Private: true}))
	reads(t, p, odd, string(binary))
	reads(t, p, "empty", "")
	text := "'q' \\n %s $HOME\n\n\ttwo\n\n"
	must(t, p.Write(ctx, File{Name: "a/text", Content: []byte(text)}, File{Name: "secret", Content: []byte(text), Private: true}))
	reads(t, p, "a/text", text)
	if p.mode != nil && p.mode(t, "secret").Perm() != 0o600 {
		t.Errorf("mode %s", p.mode(t, "secret"))
	}
	large := strings.Repeat("a line of some length\n", 40_000)
	must(t, p.Write(ctx, File{Name: "large", Content: []byte(large)}))
	reads(t, p, "large", large)
	must(t, p.Write(ctx, File{Name: odd, Content: []byte("new")}, File{Name: "-f", Content: []byte("dash")}))
	reads(t, p, odd, "new")
	must(t, p.Rename(ctx, "-f", odd))
	reads(t, p, odd, "dash")
	isMissing(t, p, "-f")
	must(t, p.Remove(ctx, odd, "a", "never there"))
	isMissing(t, p, odd)
	if p.mode != nil && (p.mode(t, "key").Perm() != 0o600 || p.mode(t, "empty").Perm() != 0o644) {
		t.Errorf("modes %s and %s", p.mode(t, "key"), p.mode(t, "empty"))
	}

	// A link to a folder is replaced, not followed.
	must(t, p.Write(ctx, File{Name: "one/x", Content: []byte("1")}, File{Name: "two/x", Content: []byte("2")}))
	must(t, p.Link(ctx, "one", "current"))
	reads(t, p, "current/x", "1")
	must(t, p.Link(ctx, "two", "next"))
	if err := p.Link(ctx, "two", "next"); err == nil {
		t.Error("a link was made over another")
	}
	must(t, p.Rename(ctx, "next", "current"))
	reads(t, p, "current/x", "2")
	isMissing(t, p, "next")
	reads(t, p, "one/x", "1")

	for _, name := range []string{"../x", "/etc/x", "", "a/../../x", ".."} {
		if err := errors.Join(p.Write(ctx, File{Name: name}), p.Remove(ctx, name)); err == nil || strings.Count(err.Error(), "inside the folder") != 2 {
			t.Errorf("%q was accepted: %v", name, err)
		}
	}
	checkNginx(t, p)
}

// checkNginx puts a site and a flag in, and breaks it.
func checkNginx(t *testing.T, p Place) {
	ctx, address := t.Context(), freeAddress(t)
	folderOf := func(f File) File {
		f.Content = []byte(strings.ReplaceAll(string(f.Content), DefaultFolder, p.Folder()))
		return f
	}
	must(t, p.Write(ctx, folderOf(site(address, "first"))))
	reload(t, p)
	await(t, "the site answers", func() bool { return get(ctx, p, address) == "first" })
	must(t, p.Write(ctx, File{Name: "flags/x"}))
	if got := get(ctx, p, address); got != "flagged" {
		t.Errorf("with the flag: %q", got)
	}
	must(t, p.Remove(ctx, "flags/x"))
	if got := get(ctx, p, address); got != "first" {
		t.Errorf("without the flag: %q", got)
	}
	must(t, p.Write(ctx, File{Name: "teal.conf", Content: []byte("nonsense;")}))
	_, err := p.Nginx(ctx, "-t")
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Status != 1 || !strings.Contains(exit.Output, `unknown directive "nonsense"`) {
		t.Errorf("a broken site: %v", err)
	}
	if _, err := p.Ensure(ctx); err != nil {
		t.Errorf("what is broken in Teal's folder is the driver's to mend: %v", err)
	}
	out, err := p.Nginx(ctx, "-V")
	if err != nil || !strings.Contains(out, "nginx version:") {
		t.Errorf("version %q, %v", out, err)
	}
}

func reload(t *testing.T, p Place) {
	t.Helper()
	_, err := p.Nginx(t.Context(), "-s", "reload")
	must(t, err)
}

func reads(t *testing.T, p Place, name, want string) {
	t.Helper()
	if got, err := p.Read(t.Context(), name); err != nil || string(got) != want {
		t.Errorf("read %q: %q, %v; want %q", name, got, err, want)
	}
}

func isMissing(t *testing.T, p Place, name string) {
	t.Helper()
	if got, err := p.Read(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read %q: %q, %v; want none", name, got, err)
	}
}

// other is how somebody else's container is made; line goes into its http block.
func startOther(t *testing.T, image, line string) string {
	t.Helper()
	hand, label := dockertest.Client(t), dockertest.Label(t)
	name := "teal-test-other-" + label
	made, err := hand.ContainerCreate(t.Context(), &dc.Config{
		Image: image, Labels: map[string]string{dockertest.LabelTest: label},
		Entrypoint: []string{"sh", "-c", "mkdir -p /etc/nginx/conf.d; echo '" + line + "' >/etc/nginx/conf.d/operator.conf; exec nginx -g 'daemon off;'"},
	}, &dc.HostConfig{NetworkMode: "host", RestartPolicy: dc.RestartPolicy{Name: "unless-stopped"}}, &network.NetworkingConfig{}, nil, name)
	must(t, err)
	must(t, hand.ContainerStart(t.Context(), made.ID, dc.StartOptions{}))
	return name
}

// startService runs this machine's nginx with a configuration of its own, as a
// service of a host behind ssh is.
func startService(t *testing.T) placed {
	t.Helper()
	s, folder := startServer(t)
	main := filepath.Join(folder, "nginx.conf")
	pid := filepath.Join(folder, "nginx.pid")
	must(t, os.WriteFile(main, fmt.Appendf(nil,
		"user root;\nerror_log %[1]s/error.log notice;\npid %[2]s;\nevents {}\nhttp { access_log off; include %[1]s/teal/teal.conf; }\n", folder, pid), 0o644))
	t.Cleanup(func() { stopService(t, pid) })
	return placed{
		Place: OverSSH(SSHOptions{
			Remote: s, Host: "the host", Folder: filepath.Join(folder, "teal"), Config: main, Start: "nginx -c '" + main + "'",
		}),
		mode: func(t *testing.T, name string) fs.FileMode {
			info, err := os.Stat(filepath.Join(folder, "teal", name))
			must(t, err)
			return info.Mode()
		},
	}
}

func startServer(t *testing.T) (*ssh.Client, string) {
	t.Helper()
	server := sshtest.Start(t)
	c := ssh.New(ssh.Options{
		Target:     ssh.Address{User: server.User, Host: server.Address},
		Identities: []string{server.Identity}, KnownHosts: []string{server.KnownHosts},
	})
	t.Cleanup(func() { must(t, c.Close()) })
	return c, t.TempDir()
}

// stopService ends the nginx that a pid file names and waits for the end.
func stopService(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	eventually(t, "nginx ends", func() bool { return syscall.Kill(pid, 0) != nil })
}
