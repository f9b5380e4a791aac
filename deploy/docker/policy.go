package docker

import (
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"teal/reconcile"
	"teal/spec"
)

// refused is what a policy says no with.
func refused(format string, args ...any) error {
	return permanent(reconcile.ReasonEngineRefused, "policy: "+format, args...)
}

// checkRequest refuses a final request that goes beyond the project's policy,
// whatever the loader let pass: a desired state from git is half-trusted, and a
// link may lead elsewhere by now.
func checkRequest(p spec.Policy, host *container.HostConfig) error {
	if err := checkSharing(host); err != nil {
		return err
	}
	for _, c := range host.CapAdd {
		if err := p.CheckCapability(c); err != nil {
			return refused("%v", err)
		}
	}
	for _, o := range host.SecurityOpt {
		if err := p.CheckSecurityOpt(o); err != nil {
			return refused("%v", err)
		}
	}
	for _, bind := range host.Binds {
		source, _, _ := strings.Cut(bind, ":")
		if err := p.CheckBind(source); err != nil {
			return refused("bind mount: %v", err)
		}
	}
	for _, m := range host.Mounts {
		if err := checkMount(p, m); err != nil {
			return err
		}
	}
	return nil
}

func checkMount(p spec.Policy, m mount.Mount) error {
	switch m.Type {
	case mount.TypeBind:
		if err := p.CheckBind(m.Source); err != nil {
			return refused("bind mount: %v", err)
		}
		return nil
	case mount.TypeVolume, mount.TypeTmpfs:
		if m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
			return refused("a volume with driver options inside a mount is not allowed")
		}
		return nil
	}
	return refused("a mount of type %s is not allowed", m.Type)
}

// checkSharing refuses whatever shares parts of the host or of another
// container. No policy allows that.
func checkSharing(host *container.HostConfig) error {
	mode := host.NetworkMode
	for _, c := range []struct {
		wrong bool
		what  string
	}{
		{host.Privileged, "privileged"},
		{mode.IsHost() || mode.IsContainer(), "the network of the host or of another container"},
		{host.PidMode != "", "the processes of the host or of another container"},
		{host.IpcMode != "" && !host.IpcMode.IsPrivate(), "the IPC of the host or of another container"},
		{host.UTSMode != "", "the host's UTS namespace"},
		{host.UsernsMode != "", "the host's user namespace"},
		{host.CgroupnsMode.IsHost() || host.CgroupParent != "", "the host's cgroups"},
		{len(host.Devices)+len(host.DeviceRequests)+len(host.DeviceCgroupRules) > 0, "devices of the host"},
		{len(host.VolumesFrom) > 0, "the volumes of another container"},
		{len(host.Sysctls) > 0, "sysctls"},
		{host.Runtime != "", "another runtime"},
	} {
		if c.wrong {
			return refused("%s: not allowed", c.what)
		}
	}
	return nil
}
