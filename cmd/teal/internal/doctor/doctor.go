// Package doctor looks at what Teal needs on a host and says what is wrong and
// what to type. It changes nothing.
package doctor

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
	"time"

	"golang.org/x/sys/unix"

	"teal/deploy/docker"
)

// Finding is what one check came to.
type Finding struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to type, where it is not ok or could be better
}

// good and wrong make findings.
func good(check, format string, args ...any) Finding {
	return Finding{Check: check, OK: true, Message: fmt.Sprintf(format, args...)}
}

func wrong(check, hint, format string, args ...any) Finding {
	return Finding{Check: check, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// limit bounds each check that waits for somebody.
const limit = 5 * time.Second

// oldestAPI is the oldest Engine API that Teal is made for.
const oldestAPI = "1.41"

// Engine checks that the engine at host (empty: the local one) answers and is
// not too old. version asks it.
func Engine(ctx context.Context, host string, version func(context.Context) (version, api string, err error)) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, spoken, err := version(ctx)
	switch {
	case err != nil && host != "":
		return wrong("engine", "start that engine, or correct DOCKER_HOST or --docker", "no Docker Engine answers at %s: %v", host, err)
	case errors.Is(err, fs.ErrPermission):
		return wrong("engine", "sudo usermod -aG docker $USER, then log in again", "the Docker Engine's socket may not be used: %v", err)
	case err != nil:
		return wrong("engine", "sudo systemctl start docker", "no Docker Engine answers: %v", err)
	case older(spoken, oldestAPI):
		return wrong("engine", "install Docker Engine 20.10 or newer", "Docker Engine %s speaks API %s, older than %s", v, spoken, oldestAPI)
	}
	return good("engine", "Docker Engine %s, API %s", v, spoken)
}

// Restarts tells whether containers outlive a restart of the engine. That they do
// not is no fault, and what to type is said.
func Restarts(ctx context.Context, system func(context.Context) (docker.SystemState, error)) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := system(ctx)
	if err != nil {
		return wrong("engine restarts", "sudo systemctl restart docker", "%v", err)
	}
	return restarts(s)
}

func restarts(s docker.SystemState) Finding {
	if s.LiveRestore {
		return good("engine restarts", "containers go on meanwhile (live-restore)")
	}
	f := good("engine restarts", "stop every container, the proxy's too, for some seconds: live-restore is off")
	f.Hint = `"live-restore": true in /etc/docker/daemon.json, then sudo systemctl reload docker; not with Swarm`
	return f
}

// older compares versions such as 1.41.
func older(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		n, errN := strconv.Atoi(x)
		m, errM := strconv.Atoi(y)
		if errN != nil || errM != nil || n != m {
			return errN == nil && errM == nil && n < m
		}
		if !moreA || !moreB {
			return moreB
		}
		a, b = restA, restB
	}
}

// Folder checks that the state folder is there, ours alone and can be written.
func Folder(path string) Finding {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missingFolder(path)
	case err != nil:
		return wrong("state folder", "name another one: --state DIR", "%v", err)
	case !info.IsDir():
		return wrong("state folder", "name another one: --state DIR", "%s is a file", path)
	case unix.Access(path, unix.W_OK|unix.X_OK) != nil:
		return wrong("state folder", "sudo chown $USER "+path+", or name another one: --state DIR", "%s may not be written", path)
	case info.Mode().Perm()&0o077 != 0:
		return wrong("state folder", "chmod 700 "+path, "%s is open to others (%v): it holds the environment of containers", path, info.Mode().Perm())
	}
	return good("state folder", "%s", path)
}

// missingFolder looks whether the folder can be made.
func missingFolder(path string) Finding {
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		_, err := os.Stat(parent)
		if errors.Is(err, fs.ErrNotExist) && parent != filepath.Dir(parent) {
			continue
		}
		if err == nil {
			err = unix.Access(parent, unix.W_OK|unix.X_OK)
		}
		if err != nil {
			return wrong("state folder", "sudo mkdir -m 700 -p "+path+" && sudo chown $USER "+path, "%s is missing and cannot be made in %s: %v", path, parent, err)
		}
		return good("state folder", "%s will be made by teal run", path)
	}
}

// leastSpace is the free space that images and records need at the very least.
const leastSpace = 1 << 30

// Space checks the free space where path is, or will be.
func Space(check, path string) Finding {
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	for ; errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path); err = unix.Statfs(path, &st) {
		path = filepath.Dir(path)
	}
	if err != nil {
		return wrong(check, "df -h "+path, "free space of %s: %v", path, err)
	}
	free := st.Bavail * uint64(st.Bsize)
	text := fmt.Sprintf("%.1f GiB free at %s", float64(free)/(1<<30), path)
	switch {
	case free < leastSpace:
		return wrong(check, "docker system df; docker image prune", "only %s", text)
	case st.Files > 0 && st.Ffree < 10_000:
		return wrong(check, "df -i "+path, "only %d files can still be made at %s", st.Ffree, path)
	}
	return good(check, "%s", text)
}

// mostRecords is what the records of hundreds of apps stay below.
const mostRecords = 1 << 30

// sizeOf is the size of a file; 0 if there is none.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Socket checks the controller's socket. answers says whether a controller
// answers there, and how it calls itself.
func Socket(path string, answers func() (who string, err error)) Finding {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("controller", "teal run -f compose.yaml", "no controller runs: there is no %s", path)
	case err != nil:
		return wrong("controller", "name its socket: --socket PATH", "%v", err)
	case info.Mode().Type() != fs.ModeSocket:
		return wrong("controller", "name its socket: --socket PATH", "%s is not a socket", path)
	case info.Mode().Perm()&0o077 != 0:
		return wrong("controller", "chmod 600 "+path, "%s is open to others (%v): who may write it owns the host", path, info.Mode().Perm())
	}
	who, err := answers()
	if err != nil {
		return wrong("controller", "teal run -f compose.yaml", "%v", err)
	}
	return good("controller", "%s at %s", who, path)
}

// Port checks that an address can be listened on, or that it is our proxy that
// does.
func Port(ctx context.Context, address string, ours bool) Finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	_, port, _ := net.SplitHostPort(address)
	switch {
	case err == nil:
		if err := l.Close(); err != nil {
			return wrong("address "+address, "", "%v", err)
		}
		return good("address "+address, "free")
	case ours && errors.Is(err, unix.EADDRINUSE):
		return good("address "+address, "taken, and Teal's proxy runs")
	case errors.Is(err, unix.EADDRINUSE):
		return wrong("address "+address, "ss -ltnp sport = :"+port, "another program listens there")
	case errors.Is(err, fs.ErrPermission):
		// The proxy's container may do what this user may not.
		return good("address "+address, "not for this user, but the proxy's container may")
	}
	return wrong("address "+address, "name another one: --http ADDRESS", "%v", err)
}

// Proxy checks that the proxy answers on its admin socket, if the controller
// that starts it runs; it reports whether it does.
func Proxy(ctx context.Context, read func(context.Context) error, controlled bool) (answers bool, f Finding) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := read(ctx)
	switch {
	case err == nil:
		return true, good("proxy", "answers")
	case !controlled:
		return false, good("proxy", "does not run; teal run starts it")
	}
	return false, wrong("proxy", "docker ps -a --filter label=teal.role=proxy, and docker logs of it", "%v", err)
}

// Text tells findings for people, what is wrong or could be better with what to
// type below it.
func Text(found []Finding, colours bool) string {
	paint := func(code, s string) string {
		if !colours {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	width := 0
	for _, f := range found {
		width = max(width, len(f.Check))
	}
	var b strings.Builder
	for _, f := range found {
		mark := paint("32", "✔")
		switch {
		case !f.OK:
			mark = paint("31", "✖")
		case f.Hint != "":
			mark = paint("33", "!")
		}
		fmt.Fprintf(&b, "%s %-*s  %s\n", mark, width, f.Check, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&b, "  %*s  → %s\n", width, "", f.Hint)
		}
	}
	return b.String()
}
