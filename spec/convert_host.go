package spec

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	units "github.com/docker/go-units"
)

// resources reads deploy.resources.limits, and the older keys that mean the
// same.
func (c converter) resources(s types.ServiceConfig) Resources {
	out := Resources{NanoCPUs: nanoCPUs(s.CPUS), Memory: int64(s.MemLimit), Pids: s.PidsLimit}
	if s.Deploy == nil || s.Deploy.Resources.Limits == nil {
		return out
	}
	limits := s.Deploy.Resources.Limits
	for _, l := range []struct {
		key   string
		older *int64
		newer int64
	}{
		{"cpus", &out.NanoCPUs, nanoCPUs(limits.NanoCPUs.Value())},
		{"mem_limit", &out.Memory, int64(limits.MemoryBytes)},
		{"pids_limit", &out.Pids, limits.Pids},
	} {
		if *l.older != 0 && l.newer != 0 && *l.older != l.newer {
			c.refuse("differs from deploy.resources.limits", "write one of them", l.key)
		}
		if l.newer != 0 {
			*l.older = l.newer
		}
	}
	return out
}

// nanoCPUs rounds away what a 32-bit float cannot say: 0.1 is 100,000,000.
func nanoCPUs(cores float32) int64 { return int64(math.Round(float64(cores)*1e4)) * 1e5 }

func (c converter) mounts(s types.ServiceConfig) []Mount {
	var out []Mount
	for i, v := range s.Volumes {
		at := path{"volumes"}.item(i)
		switch MountType(v.Type) {
		case MountVolume:
			out = append(out, c.volume(v, at))
		case MountBind:
			out = append(out, Mount{
				Type: MountBind, Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly,
				CreateHostPath: v.Bind == nil || bool(v.Bind.CreateHostPath),
			})
		case MountTmpfs:
			m := Mount{Type: MountTmpfs, Target: v.Target, ReadOnly: v.ReadOnly}
			if v.Tmpfs != nil {
				m.TmpfsSize, m.TmpfsMode = int64(v.Tmpfs.Size), v.Tmpfs.Mode
			}
			out = append(out, m)
		default:
			c.refuse("mounts of type "+quote(v.Type)+" are not honoured", "allowed: volume, bind, tmpfs", at...)
		}
	}
	for i, t := range s.Tmpfs {
		out = append(out, c.tmpfs(t, path{"tmpfs"}.item(i)))
	}
	slices.SortStableFunc(out, func(a, b Mount) int { return cmp.Compare(a.Target, b.Target) })
	return out
}

func (c converter) volume(v types.ServiceVolumeConfig, at path) Mount {
	m := Mount{Type: MountVolume, Target: v.Target, ReadOnly: v.ReadOnly, NoCopy: v.Volume != nil && v.Volume.NoCopy}
	if v.Source == "" {
		return m
	}
	declared, ok := c.project.Volumes[v.Source]
	if !ok {
		c.refuse("there is no volume "+quote(v.Source), "declare it under volumes, or write ./"+v.Source+" for a folder", at...)
		return m
	}
	m.Source = declared.Name
	m.Volume = &Volume{
		Name: declared.Name, External: bool(declared.External), Driver: declared.Driver,
		DriverOpts: maps.Clone(map[string]string(declared.DriverOpts)), Labels: maps.Clone(map[string]string(declared.Labels)),
	}
	return m
}

// tmpfs reads an entry of tmpfs: /run or /run:size=64m,mode=755.
func (c converter) tmpfs(entry string, at path) Mount {
	target, options, _ := strings.Cut(entry, ":")
	m := Mount{Type: MountTmpfs, Target: target}
	for _, o := range strings.FieldsFunc(options, func(r rune) bool { return r == ',' }) {
		key, raw, _ := strings.Cut(o, "=")
		var err error
		switch key {
		case "size":
			m.TmpfsSize, err = units.RAMInBytes(raw)
		case "mode":
			var mode uint64
			mode, err = strconv.ParseUint(raw, 8, 32)
			m.TmpfsMode = uint32(mode)
		default:
			c.refuse("the option "+quote(o)+" is not honoured", "allowed: size, mode", at...)
		}
		if err != nil {
			c.refuse(quote(o)+" is not valid", "write size=64m or mode=1777", at...)
		}
	}
	return m
}

// networks attaches the service. A dependency answers to its service name; an
// app does not, since a candidate must get no traffic before it is verified.
func (c converter) networks(s types.ServiceConfig, app bool) []Network {
	var out []Network
	for _, key := range sortedKeys(s.Networks) {
		declared, ok := c.project.Networks[key]
		if !ok {
			c.refuse("there is no network "+quote(key), "declare it under networks", "networks", key)
			continue
		}
		n := Network{
			Name: declared.Name, External: bool(declared.External), Driver: declared.Driver, Internal: declared.Internal,
			DriverOpts: maps.Clone(map[string]string(declared.DriverOpts)), Labels: maps.Clone(map[string]string(declared.Labels)),
		}
		for _, pool := range declared.Ipam.Config {
			if pool != nil && pool.Subnet != "" {
				n.Subnets = append(n.Subnets, pool.Subnet)
			}
		}
		if own := s.Networks[key]; own != nil {
			n.Aliases = slices.Clone(own.Aliases)
		}
		if !app {
			n.Aliases = append(n.Aliases, c.name)
		}
		slices.Sort(n.Aliases)
		n.Aliases = slices.Compact(n.Aliases)
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Network) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (c converter) ports(ports []types.ServicePortConfig) []Port {
	var out []Port
	for i, p := range ports {
		if p.Mode != "" && p.Mode != "ingress" {
			c.refuse("mode "+quote(p.Mode)+" only concerns a Swarm", "remove mode", path{"ports"}.item(i)...)
		}
		out = append(out, Port{HostIP: p.HostIP, Published: p.Published, Target: int(p.Target), Protocol: cmp.Or(p.Protocol, "tcp")})
	}
	slices.SortFunc(out, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.HostIP, b.HostIP), cmp.Compare(a.Published, b.Published))
	})
	return out
}
