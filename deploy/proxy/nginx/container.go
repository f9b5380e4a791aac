package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strings"
)

// DefaultFolder is where an nginx finds Teal's files unless it is told
// otherwise.
const DefaultFolder = "/etc/nginx/teal"

// included is the file of the folder that the main configuration includes in
// its http block.
const included = "teal.conf"

// nothing is what the included file holds before the first table.
const nothing = "# Teal writes this file. It serves nothing yet.\n"

// Containers are the methods of a Docker Engine that a container's files and
// programs are reached by; a *docker.Engine has them.
type Containers interface {
	CopyTo(ctx context.Context, id, folder string, archive io.Reader) error
	ReadFile(ctx context.Context, id, path string) ([]byte, error)
	Exec(ctx context.Context, id string, argv ...string) (output string, status int, err error)
}

// Dial connects to an address as seen from a host.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// ContainerOptions say which container of somebody else's is the place.
type ContainerOptions struct {
	Engine Containers
	Name   string // of the container, which may be made anew at any time
	Folder string // default DefaultFolder
	Host   string // the engine's host, for people; empty: this one
	Dial   Dial   // as seen from the container; nil: as seen from here
}

// container is a place whose files are reached through the engine.
type container struct {
	engine Containers
	name   string
	folder string
	host   string
	dial   Dial
	config string // the main configuration that nginx is started with; empty: its own
}

// InContainer is the nginx of a container that somebody else runs. Its main
// configuration has to include FOLDER/teal.conf in the http block. The image
// needs a shell, mkdir, mv, ln and rm.
func InContainer(o ContainerOptions) Place {
	return &container{engine: o.Engine, name: o.Name, folder: orFolder(o.Folder), host: o.Host, dial: orDirect(o.Dial)}
}

func orFolder(folder string) string {
	if folder == "" {
		return DefaultFolder
	}
	return path.Clean(folder)
}

func orDirect(dial Dial) Dial {
	if dial == nil {
		return (&net.Dialer{}).DialContext
	}
	return dial
}

func (c *container) String() string {
	if c.host == "" {
		return "container " + c.name
	}
	return "container " + c.name + " on " + c.host
}

func (c *container) Folder() string { return c.folder }

func (c *container) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dial(ctx, network, address)
}

func (c *container) Write(ctx context.Context, files ...File) error {
	if err := checkFiles(files); err != nil {
		return err
	}
	return c.shell().write(ctx, files)
}

func (c *container) Rename(ctx context.Context, from, to string) error {
	if err := check(from, to); err != nil {
		return err
	}
	return c.shell().rename(ctx, from, to)
}

func (c *container) Link(ctx context.Context, target, name string) error {
	if err := check(name); err != nil {
		return err
	}
	return c.shell().link(ctx, target, name)
}

func (c *container) relink(ctx context.Context, target, name string) error {
	if err := check(name); err != nil {
		return err
	}
	return c.shell().relink(ctx, target, name)
}

func (c *container) Read(ctx context.Context, name string) ([]byte, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	return c.engine.ReadFile(ctx, c.name, path.Join(c.folder, name))
}

func (c *container) Remove(ctx context.Context, all ...string) error {
	if err := check(all...); err != nil {
		return err
	}
	return c.shell().remove(ctx, all)
}

func (c *container) Nginx(ctx context.Context, args ...string) (string, error) {
	argv := []string{"nginx"}
	if c.config != "" {
		argv = append(argv, "-c", c.config)
	}
	output, status, err := c.engine.Exec(ctx, c.name, append(argv, args...)...)
	if err == nil && status != 0 {
		err = &ExitError{Status: status, Output: output}
	}
	return output, err
}

func (c *container) shell() shell { return shell{folder: c.folder, run: c.script} }

// script costs a call of the engine for the archive and one for the script.
func (c *container) script(ctx context.Context, archive io.Reader, script string) (string, int, error) {
	if archive != nil {
		if err := c.engine.CopyTo(ctx, c.name, c.folder, archive); err != nil {
			return "", 0, err
		}
	}
	output, status, err := c.engine.Exec(ctx, c.name, "sh", "-c", script)
	// 126 and 127 are what runtimes answer for a program that cannot be run.
	if err != nil && strings.Contains(err.Error(), "executable file not found") || err == nil && (status == 126 || status == 127) {
		err = fmt.Errorf("the container's image lacks a program that Teal needs (sh, mkdir, mv, ln and rm, as images of Debian and Alpine have): %s",
			strings.TrimSpace(output))
	}
	return output, status, err
}

// Ensure looks whether the nginx includes Teal's file. A folder that is not
// there (any more: a container that was made anew) is made, with a file that
// serves nothing, for the main configuration cannot be loaded without it.
func (c *container) Ensure(ctx context.Context) (started bool, err error) {
	_, err = c.Read(ctx, included)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := c.makeFolder(ctx); err != nil {
			return false, fmt.Errorf("%s: %w", c, err)
		}
		started = true
	case err != nil:
		return false, fmt.Errorf("%s: %w", c, err)
	}
	output, err := c.Nginx(ctx, "-T")
	if err != nil && strings.Contains(err.Error(), "is restarting") {
		return false, c.unload(ctx, err)
	}
	if _, err := judgeMain(c, output, err); err != nil {
		return false, err
	}
	return started, nil
}

// unload puts a table that serves nothing into a container that keeps exiting,
// in case it does so for what is in Teal's folder: no program can be run in it.
func (c *container) unload(ctx context.Context, err error) error {
	there, reading := c.Read(ctx, included)
	if reading == nil && string(there) != nothing {
		reading = c.makeFolder(ctx)
	}
	return errors.Join(fmt.Errorf("%s keeps exiting: %w", c, err), reading)
}

// makeFolder needs no program of the container, and no running one.
func (c *container) makeFolder(ctx context.Context) error {
	archive, err := pack(path.Base(c.folder), []File{{Name: included, Content: []byte(nothing)}})
	if err != nil {
		return err
	}
	return c.engine.CopyTo(ctx, c.name, path.Dir(c.folder), archive)
}

// judgeMain judges what "nginx -T" wrote: somebody else's configuration has to
// be sound and to include Teal's file. What is wrong inside Teal's folder is
// for the driver to mend: then it is not sound, and that is no error.
func judgeMain(p Place, output string, err error) (sound bool, _ error) {
	file := path.Join(p.Folder(), included)
	exit, refused := errors.AsType[*ExitError](err)
	switch {
	case err != nil && !refused:
		return false, fmt.Errorf("%s: %w", p, err)
	case refused && strings.Contains(exit.Output, p.Folder()+"/"):
		return false, nil
	case refused:
		return false, fmt.Errorf("%s: its own configuration is refused, and so nothing can be changed: %s", p, faults(exit.Output))
	case !strings.Contains(output, "# configuration file "+file+":"):
		return false, fmt.Errorf("%s: its configuration does not include Teal's file; add this line to its http block: include %s;", p, file)
	}
	return true, nil
}

// faults are the lines in which nginx says what it refuses.
func faults(output string) string {
	var found []string
	for line := range strings.Lines(output) {
		if strings.Contains(line, "[emerg]") || strings.Contains(line, "[alert]") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	if len(found) == 0 {
		return lastLine(output)
	}
	return strings.Join(found, " | ")
}

func checkFiles(files []File) error {
	for _, f := range files {
		if err := check(f.Name); err != nil {
			return err
		}
	}
	return nil
}
