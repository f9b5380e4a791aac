package spec

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	restartPolicy = regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:[0-9]{1,6})?)$`)
	stopSignal    = regexp.MustCompile(`^([0-9]{1,2}|[A-Z0-9]{1,12}([+-][0-9]{1,2})?)$`)
	engineName    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	alias         = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$`)
)

func (c *checker) container(at path, s Service) {
	k := s.Container
	if k.Image == "" {
		c.refuse(at.with("image"), "missing", "write image: name:tag")
	} else if full := normalImage(k.Image, func(m, h string) { c.refuse(at.with("image"), m, h) }); full != "" && full != k.Image {
		c.refuse(at.with("image"), quote(k.Image)+" is not normalised", "write "+full)
	}
	for name, v := range k.Environment {
		c.must(name != "" && !strings.ContainsAny(name, "=\x00"), at.with("environment"), "%q is not a name of a variable", name)
		c.must(!strings.Contains(v, "\x00"), at.with("environment", name), "holds a zero byte")
		c.must(utf8.ValidString(v), at.with("environment", name), "is not UTF-8 text")
	}
	c.labels(at.with("labels"), k.Labels)
	c.must(restartPolicy.MatchString(k.Restart), at.with("restart"), "must be no, always, unless-stopped or on-failure[:times], not %q", k.Restart)
	c.must(k.StopSignal == "" || stopSignal.MatchString(k.StopSignal), at.with("stop_signal"), "%q is not a signal", k.StopSignal)
	c.must(k.StopGracePeriod >= 0, at.with("stop_grace_period"), "must not be negative")
	c.must(k.ShmSize >= 0, at.with("shm_size"), "must not be negative")
	c.must(k.Hostname == "" || alias.MatchString(k.Hostname), at.with("hostname"), "%q is not a host name", k.Hostname)
	c.must(k.WorkingDir == "" || filepath.IsAbs(k.WorkingDir), at.with("working_dir"), "must be an absolute path, not %q", k.WorkingDir)
	c.must(k.Resources.NanoCPUs >= 0 && k.Resources.Memory >= 0 && k.Resources.Pids >= -1, at.with("deploy", "resources", "limits"), "must not be negative")
	c.isolation(at, k)
	c.mounts(at, k.Mounts)
	c.secrets(at.with("secrets"), k)
	c.networks(at, k.Networks)
	c.ports(at.with("ports"), k.Ports)
	c.healthcheck(at.with("healthcheck"), k.Healthcheck)
}

func (c *checker) labels(at path, labels map[string]string) {
	for name := range labels {
		if name == "teal" || strings.HasPrefix(name, "teal.") {
			c.refuse(at.with(name), "labels that begin with teal. are Teal's own: it knows its containers by them", "choose another name")
		}
	}
}

// isolation checks what would let a container out.
func (c *checker) isolation(at path, k Container) {
	for _, name := range k.CapAdd {
		if err := c.policy.CheckCapability(name); err != nil {
			c.refuse(at.with("cap_add"), err.Error(), "")
		}
	}
	for _, o := range k.SecurityOpt {
		if err := c.policy.CheckSecurityOpt(o); err != nil {
			c.refuse(at.with("security_opt"), err.Error(), "")
		}
	}
	for i, u := range k.Ulimits {
		c.must(u.Name != "" && u.Soft >= -1 && u.Hard >= -1 && (u.Hard == -1 || u.Soft <= u.Hard), at.with("ulimits", u.Name),
			"soft (%d) must not be over hard (%d)", u.Soft, u.Hard)
		c.must(i == 0 || k.Ulimits[i-1].Name < u.Name, at.with("ulimits", u.Name), "limits are not sorted, or one is there twice")
	}
	for _, h := range k.ExtraHosts {
		host, address, _ := strings.Cut(h, ":")
		_, err := netip.ParseAddr(strings.Trim(address, "[]"))
		c.must(host != "" && (err == nil || address == "host-gateway"), at.with("extra_hosts"), "%q is not host:address", h)
	}
}

func (c *checker) mounts(service path, mounts []Mount) {
	seen := map[string]bool{}
	for _, m := range mounts {
		at := service.with("volumes")
		if m.Type == MountTmpfs {
			at = service.with("tmpfs")
		}
		c.must(filepath.IsAbs(m.Target) && filepath.Clean(m.Target) == m.Target && m.Target != "/", at, "the target must be an absolute path below /, not %q", m.Target)
		c.must(!seen[m.Target], at, "two mounts at %s", m.Target)
		seen[m.Target] = true
		c.must(m.TmpfsSize >= 0, at, "the size must not be negative")
		c.must(m.Type == MountVolume || m.Volume == nil, at, "a mount of type %q has no volume", m.Type)
		switch m.Type {
		case MountTmpfs:
			c.must(m.Source == "", at, "a tmpfs has no source")
		case MountBind:
			if err := c.policy.CheckBind(m.Source); err != nil {
				c.refuse(at, err.Error(), "")
			}
		case MountVolume:
			c.volume(at, m)
		default:
			c.refuse(at, "mounts of type "+quote(string(m.Type))+" are not honoured", "")
		}
	}
}

func (c *checker) volume(at path, m Mount) {
	if m.Source == "" {
		c.must(m.Volume == nil, at, "an anonymous volume has no name")
		return
	}
	c.must(engineName.MatchString(m.Source) || !c.named, at, "%q is not a name of a volume", m.Source)
	if m.Volume == nil || m.Volume.Name != m.Source {
		c.refuse(at, "the volume "+m.Source+" is not described", "")
		return
	}
	v := *m.Volume
	c.labels(at, v.Labels)
	if err := c.policy.CheckVolume(v); err != nil {
		c.refuse(at, err.Error(), "")
	}
	c.must(!v.External || v.Driver == "" && len(v.DriverOpts) == 0, at, "an external volume has no driver of its own")
}

func (c *checker) networks(service path, networks []Network) {
	at := service.with("networks")
	for i, n := range networks {
		c.must(engineName.MatchString(n.Name) || !c.named, at, "%q is not a name of a network", n.Name)
		c.must(i == 0 || networks[i-1].Name < n.Name, at, "networks are not sorted, or one is there twice")
		if err := c.policy.CheckNetwork(n); err != nil {
			c.refuse(at, err.Error(), "")
		}
		c.labels(at, n.Labels)
		for _, a := range n.Aliases {
			c.must(alias.MatchString(a), at, "%q is not an alias", a)
		}
		for _, s := range n.Subnets {
			_, err := netip.ParsePrefix(s)
			c.must(err == nil, at, "%q is not a subnet such as 10.1.0.0/24", s)
		}
	}
}

func (c *checker) ports(at path, ports []Port) {
	for i, p := range ports {
		c.must(p.Target >= 1 && p.Target <= 65535, at, "%d is not a port", p.Target)
		c.must(p.Protocol == "tcp" || p.Protocol == "udp", at, "the protocol %q is not honoured: write tcp or udp", p.Protocol)
		c.must(p.Published == "" || validPorts(p.Published), at, "%q is not a port or a range of ports", p.Published)
		_, err := netip.ParseAddr(p.HostIP)
		c.must(p.HostIP == "" || err == nil, at, "%q is not an address of the host", p.HostIP)
		c.must(!slices.Contains(ports[:i], p), at, "the port %d is published twice in the same way", p.Target)
	}
}

func validPorts(s string) bool {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	f, err1 := strconv.ParseUint(from, 10, 16)
	t, err2 := strconv.ParseUint(to, 10, 16)
	return err1 == nil && err2 == nil && f > 0 && f <= t
}

func (c *checker) healthcheck(at path, h *Healthcheck) {
	if h == nil {
		return
	}
	if len(h.Test) > 0 {
		switch h.Test[0] {
		case "NONE":
			c.must(len(h.Test) == 1, at.with("test"), "NONE takes no arguments")
		case "CMD", "CMD-SHELL":
			c.must(len(h.Test) > 1, at.with("test"), "a command is missing after %s", h.Test[0])
		default:
			c.refuse(at.with("test"), "must begin with CMD, CMD-SHELL or NONE, not "+quote(h.Test[0]), "")
		}
	}
	// An engine takes less than a millisecond for a mistake.
	for name, d := range map[string]Duration{"interval": h.Interval, "timeout": h.Timeout, "start_period": h.StartPeriod} {
		c.must(d == 0 || d.D().Milliseconds() >= 1, at.with(name), "must be at least 1ms")
	}
	c.must(h.Retries >= 0, at.with("retries"), "must not be negative")
}
