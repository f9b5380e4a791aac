// Package nginx is the driver that makes an nginx the traffic switch: one in a
// container of Teal's, one in a container of somebody else's, or a service, here
// or behind ssh.
//
// It promises:
//
//   - A switch, a change of weight or a preview is one rename, which every worker
//     follows with its next request: nothing is reloaded and no connection closed.
//   - nginx is reloaded only when a route, a limit, a certificate or an address
//     changes, after nginx -t took the configuration; if it is refused, the one
//     before stays in force, and the error has nginx's own words.
//   - What [Driver.Read] tells was asked of nginx itself, through the rules that
//     route the traffic; flags and files changed by hand show, and the next table
//     repairs them.
//   - Requests in flight are nginx's own count, through reloads and restarts of
//     Teal.
//   - Nothing outside the [Place]'s folder is written, but the main configuration
//     of a container that Teal itself runs.
//
// What nginx cannot do by its nature: hold requests while no target answers, pass
// 1xx answers and trailers, end upgraded connections one by one. docs/nginx.md
// has the whole list.
package nginx

import (
	"context"
	"net"
)

// File is one file of a [Place], with mode 0644; a name that ends in a slash is
// a folder.
type File struct {
	Name    string // relative to the place's folder
	Content []byte
	Private bool // mode 0600: a key
}

// Place is where an nginx runs, and how its files and signals are reached: a
// process of this host, a process of a host behind ssh, or a container of any
// host. Its folder belongs to Teal alone. Names are relative to that folder and
// never leave it.
type Place interface {
	// Folder is the absolute path of the folder, as that nginx sees it.
	Folder() string
	// Write puts files into the folder, making parents. Each file is complete or
	// absent at every moment, but not all of them together.
	Write(ctx context.Context, files ...File) error
	// Rename replaces the entry called to with the one called from, in one atomic
	// step; a symbolic link is renamed itself.
	Rename(ctx context.Context, from, to string) error
	// Link makes a symbolic link called name that points to target, which must not
	// exist yet.
	Link(ctx context.Context, target, name string) error
	// Read returns the content of a file; an error that is fs.ErrNotExist if there
	// is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// Remove removes entries, folders with all that is in them. One that is not
	// there is removed.
	Remove(ctx context.Context, names ...string) error
	// Nginx runs the place's nginx program with args, such as "-t", and returns
	// what it wrote to both outputs. An exit status other than 0 is an error that
	// is [*ExitError].
	Nginx(ctx context.Context, args ...string) (output string, err error)
	// Dial connects to an address as seen from where nginx runs.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Ensure makes nginx run, if that is for Teal to do, and reports whether this
	// call started it. For an nginx that somebody else runs it only looks.
	Ensure(ctx context.Context) (started bool, err error)
	// String names the place, for people: "container teal-nginx-x on bastion".
	String() string
}

// ExitError says that nginx refused.
type ExitError struct {
	Status int
	Output string
}

// Error returns the output.
func (e *ExitError) Error() string { return e.Output }
