package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"teal/deploy/docker"
)

// Carrier is an engine that a container of Teal's own is made on; a
// *docker.Engine is one.
type Carrier interface {
	Containers
	CarrierName(kind string) string
	EnsureCarrier(ctx context.Context, want docker.CarrierSpec) (docker.CarrierState, error)
}

// DefaultImage is the nginx of a managed container unless it is told otherwise.
const DefaultImage = "nginx:stable"

// ManagedOptions say what nginx Teal runs, and where.
type ManagedOptions struct {
	Engine Carrier
	Image  string // default DefaultImage; any image of nginx 1.18 or newer with a shell
	// HostFolder is a folder of this host that the container's files are kept in,
	// for an engine of this host: changes are plain file operations then. Empty:
	// they are in a volume and are changed through the engine.
	HostFolder string
	// Mounts are folders of the engine's host that the container may read, by
	// where it finds them: snippets, certificates.
	Mounts map[string]string
	Listen []string // addresses of this host to look at before a start; empty for another host
	Host   string   // the engine's host, for people; empty: this one
	Dial   Dial     // as seen from the engine's host; nil: as seen from here
	// Shutdown bounds how long workers that a reload replaced go on with what
	// they have, long downloads and WebSockets. Default 1 h.
	Shutdown time.Duration
	Replace  bool // replace an outdated container; it is only reported otherwise
	// Outdated is told that the container runs with other settings than wanted.
	// It may be nil.
	Outdated func(name string)
	Point    Point // of the files in HostFolder
}

// managed is a container that Teal makes, starts and mends.
type managed struct {
	container
	o     ManagedOptions
	files Place // nil: through the engine

	ensuring sync.Mutex // one Ensure at a time: two would write the same files

	mu    sync.Mutex
	made  string // the container that was found or made last
	built string // what "nginx -V" says in it; empty: not asked yet
}

// mainFile is the main configuration of a managed container, in the folder.
const mainFile = "nginx.conf"

// Managed is the nginx of a container that Teal runs, with the host's network.
// It comes back by itself after a crash and a reboot, with what it last served.
func Managed(o ManagedOptions) Place {
	if o.Image == "" {
		o.Image = DefaultImage
	}
	if o.Shutdown <= 0 {
		o.Shutdown = time.Hour
	}
	m := &managed{o: o, container: container{
		engine: o.Engine, name: o.Engine.CarrierName("nginx"), folder: DefaultFolder, host: o.Host, dial: orDirect(o.Dial),
		config: path.Join(DefaultFolder, mainFile),
	}}
	if o.HostFolder != "" {
		m.files = NewLocal(LocalOptions{Folder: o.HostFolder, Point: o.Point})
	}
	return m
}

// main is the main configuration: what a table cannot say. The user that
// workers run as is the one that the image's nginx was built with.
func (m *managed) main() []byte {
	return fmt.Appendf(nil, `# Teal writes this file.
worker_processes auto;
worker_rlimit_nofile 65536;
worker_shutdown_timeout %ds;
pid /run/nginx.pid;
error_log /dev/stderr warn;
events {
    worker_connections 16384;
}
http {
    include /etc/nginx/mime.type[s];
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path /var/cache/nginx/body;
    proxy_temp_path /var/cache/nginx/proxy;
    fastcgi_temp_path /var/cache/nginx/fastcgi;
    uwsgi_temp_path /var/cache/nginx/uwsgi;
    scgi_temp_path /var/cache/nginx/scgi;
    include %s;
}
`, int64(m.o.Shutdown/time.Second), path.Join(m.folder, included))
}

// Ensure makes the container exist, run, and have its main configuration. A
// container that keeps exiting is started with a table that serves nothing, for
// the caller to apply its own to.
func (m *managed) Ensure(ctx context.Context) (started bool, err error) {
	m.ensuring.Lock()
	defer m.ensuring.Unlock()
	if m.files != nil {
		if err := m.files.Write(ctx, File{Name: "./"}); err != nil {
			return false, fmt.Errorf("%s: %w", m, err)
		}
	}
	state, err := m.o.Engine.EnsureCarrier(ctx, docker.CarrierSpec{
		Kind: "nginx", Image: m.o.Image, Entrypoint: []string{"nginx"}, Args: []string{"-c", m.config, "-g", "daemon off;"},
		Folder: m.folder, Source: m.o.HostFolder, Mounts: m.o.Mounts, Listen: m.o.Listen,
		Prepare: m.prepare, Replace: m.o.Replace,
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", m, err)
	}
	m.mu.Lock()
	if state.Started || state.Container != m.made {
		m.made, m.built = state.Container, ""
	}
	m.mu.Unlock()
	if state.Outdated && m.o.Outdated != nil {
		m.o.Outdated(state.Name)
	}
	if state.Started {
		return true, nil
	}
	changed, err := m.prepare(ctx, state.Container, nil)
	if err != nil || !changed {
		return false, err
	}
	if _, err := m.Nginx(ctx, "-s", "reload"); err != nil {
		return false, fmt.Errorf("%s: load the main configuration: %w", m, err)
	}
	return false, nil
}

// Nginx asks only once what nginx is in the container: that changes with the
// container, which nobody else makes anew while it answers.
func (m *managed) Nginx(ctx context.Context, args ...string) (string, error) {
	switch {
	case len(args) == 2 && args[0] == "-s":
		return m.signal(ctx, args...)
	case len(args) != 1 || args[0] != "-V":
		return m.container.Nginx(ctx, args...)
	}
	m.mu.Lock()
	built := m.built
	m.mu.Unlock()
	if built != "" {
		return built, nil
	}
	built, err := m.container.Nginx(ctx, args...)
	if err == nil {
		m.mu.Lock()
		m.built = built
		m.mu.Unlock()
	}
	return built, err
}

// noPID is what nginx says when it is to signal one that has not begun.
const noPID = `/run/nginx.pid" failed (2:`

// beginLimit bounds how long a container that was just started may take until
// its nginx can be signalled.
const beginLimit = 5 * time.Second

// signal waits for an nginx that was started a moment ago.
func (m *managed) signal(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		output, err := m.container.Nginx(ctx, args...)
		if err == nil || !strings.Contains(output, noPID) {
			return output, err
		}
		select {
		case <-ctx.Done():
			return output, err
		case <-tick.C:
		}
	}
}

// prepare puts the main configuration and a first table into the folder unless
// they are there. If nginx keeps exiting, and not because somebody else has its
// port, the table goes.
func (m *managed) prepare(ctx context.Context, id string, lastWords []string) (changed bool, err error) {
	if strings.Contains(strings.Join(lastWords, " "), "bind()") {
		return false, nil
	}
	var missing []File
	main := m.main()
	if there, err := m.look(ctx, id, mainFile); err != nil {
		return false, err
	} else if string(there) != string(main) {
		missing = append(missing, File{Name: mainFile, Content: main})
	}
	if there, err := m.look(ctx, id, included); err != nil {
		return false, err
	} else if there == nil || len(lastWords) > 0 && string(there) != nothing {
		missing = append(missing, File{Name: included, Content: []byte(nothing)})
	}
	if len(missing) == 0 {
		return false, nil
	}
	return true, m.place(ctx, id, missing)
}

// look returns a file of the folder; nil if there is none.
func (m *managed) look(ctx context.Context, id, name string) ([]byte, error) {
	var content []byte
	var err error
	if m.files != nil {
		content, err = m.files.Read(ctx, name)
	} else {
		content, err = m.engine.ReadFile(ctx, id, path.Join(m.folder, name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && content == nil {
		content = []byte{}
	}
	return content, err
}

// place puts files into the folder of a container that need not run.
func (m *managed) place(ctx context.Context, id string, files []File) error {
	if m.files != nil {
		return m.files.Write(ctx, files...)
	}
	archive, err := pack(".", files)
	if err != nil {
		return err
	}
	return m.engine.CopyTo(ctx, id, m.folder, archive)
}
