package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// engineSockets are the sockets whose owner owns the host.
var engineSockets = []string{
	"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
	"/var/run/containerd/containerd.sock", "/run/podman/podman.sock", "/var/run/podman/podman.sock",
}

// CheckBind reports why source, an absolute host path, may not be bind-mounted;
// nil: it may. It follows links as they are now: whoever mounts it checks again.
func (p Policy) CheckBind(source string) error {
	if !filepath.IsAbs(source) {
		return fmt.Errorf("%q is not an absolute path", source)
	}
	source = filepath.Clean(source)
	if _, inside := below(p.Dir, source); inside && p.Copied && p.Dir != "" {
		return errors.New("files of the repository cannot be mounted: their copy here goes away with the next commit; " +
			"put them into the image, or mount a volume or a path of the host that the policy allows")
	}
	real, err := resolved(source)
	if err != nil {
		return fmt.Errorf("follow links of %s: %w", source, err)
	}
	for _, s := range []string{source, real} {
		if !p.AllowEngineSocket && holdsSocket(s) {
			return fmt.Errorf("%s contains an engine's socket, which is the whole host; the policy does not allow that", source)
		}
		if !p.bindAllowed(s) {
			return fmt.Errorf("%s lies outside the project's folder, and the policy does not allow it", source)
		}
	}
	return nil
}

func (p Policy) bindAllowed(source string) bool {
	for _, dir := range append([]string{p.Dir}, p.AllowBinds...) {
		if dir == "" {
			continue
		}
		if _, ok := below(dir, source); ok {
			return true
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			if _, ok := below(real, source); ok {
				return true
			}
		}
	}
	return false
}

func holdsSocket(source string) bool {
	return slices.ContainsFunc(engineSockets, func(s string) bool {
		_, ok := below(source, s)
		return ok
	}) || strings.HasSuffix(source, "/docker.sock")
}

// resolved follows the links of the part of path that exists.
func resolved(path string) (string, error) {
	for rest := ""; ; {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !os.IsNotExist(err) || path == "/" {
			return "", err
		}
		if _, lerr := os.Lstat(path); lerr == nil {
			return "", err // a link to nowhere: where it will lead is not known
		}
		rest = filepath.Join(filepath.Base(path), rest)
		path = filepath.Dir(path)
	}
}

// CheckVolume reports why v may not be made; nil: it may. The options of the
// usual driver are those of mount(8), which can name anything of the host: only
// kinds that cannot are allowed, and bind mounts that [Policy.CheckBind] allows.
func (p Policy) CheckVolume(v Volume) error {
	if err := p.checkDriver("volume", v.Driver, "local"); err != nil {
		return err
	}
	if v.Driver != "" && v.Driver != "local" || len(v.DriverOpts) == 0 {
		return nil
	}
	switch kind := v.DriverOpts["type"]; kind {
	case "tmpfs", "nfs", "nfs4", "cifs":
		return nil
	case "", "none":
		if slices.ContainsFunc(strings.Split(v.DriverOpts["o"], ","), func(o string) bool { return o == "bind" || o == "rbind" }) {
			return p.CheckBind(v.DriverOpts["device"])
		}
	}
	return fmt.Errorf("a local volume of type %q is not allowed, only tmpfs, nfs, cifs, and none with o: bind", v.DriverOpts["type"])
}
