package spec

import (
	"fmt"
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
	// Copied: Dir is a copy that goes away, as that of a commit does. Bind mounts may
	// not name what lies in it.
	Copied bool `json:"copied,omitempty"`
	// Hosts are the names of the hosts that services may be placed on. nil: names
	// are not checked. With a single host that has no name: not nil, without names.
	Hosts []string `json:"hosts,omitempty"`
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
	// Naming bridge also allows a network to choose a bridge of the host.
	AllowDrivers []string `json:"allow_drivers,omitempty"`
	// CheckRange says what is wrong with a deploy window or a freeze; nil: that is
	// not checked.
	CheckRange func(Range) error `json:"-"`
}

// harmless are the capabilities that engines grant by default, and those that
// only concern the container's own memory and scheduling.
var harmless = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "IPC_LOCK", "SYS_NICE",
}

// CheckCapability reports why cap_add may not name a capability, which may be
// written with or without CAP_; nil: it may.
func (p Policy) CheckCapability(name string) error {
	name = bareCapability(name)
	if slices.Contains(harmless, name) || slices.ContainsFunc(p.AllowCapabilities, func(a string) bool { return bareCapability(a) == name }) {
		return nil
	}
	return fmt.Errorf("the policy does not allow the capability %s", name)
}

func bareCapability(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

// CheckSecurityOpt reports why security_opt may not hold opt; nil: it may.
func (p Policy) CheckSecurityOpt(opt string) error {
	switch opt {
	case "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true":
		return nil
	}
	if slices.Contains(p.AllowSecurityOpts, opt) {
		return nil
	}
	return fmt.Errorf("the policy does not allow %q; it always allows no-new-privileges", opt)
}

// CheckNetwork reports why a container may not join n; nil: it may.
func (p Policy) CheckNetwork(n Network) error {
	if slices.Contains(hostNetworks, n.Name) || slices.Contains(hostNetworks[:2], n.Driver) {
		return fmt.Errorf("the engine's own network %s is not for projects; declare one of the project", n.Name)
	}
	if _, ok := n.DriverOpts[bridgeName]; ok && !slices.Contains(p.AllowDrivers, "bridge") {
		return fmt.Errorf("the policy does not allow %s, which names a bridge of the host", bridgeName)
	}
	return p.checkDriver("network", n.Driver, "bridge")
}

// bridgeName is the option that attaches a network to a bridge of the host.
const bridgeName = "com.docker.network.bridge.name"

// hostNetworks are networks of the engine that are not a project's own. The
// first two are also drivers.
var hostNetworks = []string{"host", "none", "bridge"}

func (p Policy) checkDriver(what, driver, usual string) error {
	if driver == "" || driver == usual || slices.Contains(p.AllowDrivers, driver) {
		return nil
	}
	return fmt.Errorf("the policy does not allow the %s driver %q; it always allows %s", what, driver, usual)
}
