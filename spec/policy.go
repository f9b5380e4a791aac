package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Policy says what a desired state may ask of a host. The zero Policy is for
// half-trusted sources, such as a git repository that several people can push
// to: nothing of the host outside the project's folder. What would undo the
// isolation of containers altogether (privileged, the host's network, process
// and IPC namespaces, devices) cannot be allowed here: those keys are refused
// (see [RefusedKeys]).
type Policy struct {
	// Dir is the project's folder, absolute; bind mounts may name what lies in
	// it. [Load] sets it to [Options].Dir when it is empty. Empty in
	// [Project.Validate]: no folder.
	Dir string `json:"dir,omitempty"`
	// AllowOutside are further folders, absolute, that env files, included and
	// extended files may be read from.
	AllowOutside []string `json:"allow_outside,omitempty"`
	// AllowBinds are host paths, absolute, that bind mounts may name, with all
	// that lies below them.
	AllowBinds []string `json:"allow_binds,omitempty"`
	// AllowEngineSocket lets a bind mount contain an engine's socket (Docker,
	// containerd, Podman), and with it the whole host. AllowBinds must name it too.
	AllowEngineSocket bool `json:"allow_engine_socket,omitempty"`
	// AllowCapabilities are capabilities, without CAP_, that cap_add may name
	// beside the harmless ones.
	AllowCapabilities []string `json:"allow_capabilities,omitempty"`
	// AllowSecurityOpts are values of security_opt beside no-new-privileges, as
	// they are written: "apparmor=web".
	AllowSecurityOpts []string `json:"allow_security_opts,omitempty"`
	// AllowDrivers are drivers of networks and volumes beside bridge and local.
	AllowDrivers []string `json:"allow_drivers,omitempty"`
}

// harmless are the capabilities that engines grant by default, and those that
// only concern the container's own memory and scheduling.
var harmless = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "IPC_LOCK", "SYS_NICE",
}

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

func (p Policy) capabilityAllowed(name string) bool {
	name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	return slices.Contains(harmless, name) || slices.ContainsFunc(p.AllowCapabilities, func(a string) bool {
		return strings.TrimPrefix(strings.ToUpper(a), "CAP_") == name
	})
}

func (p Policy) securityOptAllowed(opt string) bool {
	switch opt {
	case "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true":
		return true
	}
	return slices.Contains(p.AllowSecurityOpts, opt)
}

func (p Policy) driverAllowed(driver, usual string) bool {
	return driver == "" || driver == usual || slices.Contains(p.AllowDrivers, driver)
}
