package spec

// RevisionID is the identity of what containers of one app or dependency are
// made from: a hash, in hex, of every setting of c, of the routed port (0: not
// routed) and of the image's digest. Equal containers have equal ids on every
// host and in every version of Teal; the golden values in the tests hold it to
// that.
func RevisionID(c Container, port int, digest string) string {
	w := newCanon()
	w.text("digest", digest)
	w.number("port", int64(port))
	w.process(c)
	w.isolation(c)
	w.surroundings(c)
	return w.sum()
}

func (w *canon) process(c Container) {
	w.text("image", c.Image)
	w.texts("command", c.Command)
	w.texts("entrypoint", c.Entrypoint)
	w.pairs("environment", c.Environment)
	w.text("user", c.User)
	w.text("working_dir", c.WorkingDir)
	w.text("hostname", c.Hostname)
	if c.Init != nil {
		w.text("init", map[bool]string{true: "yes", false: "no"}[*c.Init])
	}
	w.flag("tty", c.TTY)
	w.pairs("labels", c.Labels)
	w.text("stop_signal", c.StopSignal)
	w.number("stop_grace_period", int64(c.StopGracePeriod))
	w.text("restart", c.Restart)
	if h := c.Healthcheck; h != nil {
		w.group("healthcheck", func(w *canon) {
			w.flag("set", true)
			w.texts("test", h.Test)
			w.number("interval", int64(h.Interval))
			w.number("timeout", int64(h.Timeout))
			w.number("start_period", int64(h.StartPeriod))
			w.number("retries", int64(h.Retries))
		})
	}
	if l := c.Logging; l != nil {
		w.group("logging", func(w *canon) {
			w.flag("set", true)
			w.text("driver", l.Driver)
			w.pairs("options", l.Options)
		})
	}
}

func (w *canon) isolation(c Container) {
	w.flag("read_only", c.ReadOnly)
	w.texts("cap_add", c.CapAdd)
	w.texts("cap_drop", c.CapDrop)
	w.texts("security_opt", c.SecurityOpt)
	w.number("shm_size", c.ShmSize)
	w.list("ulimits", len(c.Ulimits), func(w *canon, i int) {
		w.text("name", c.Ulimits[i].Name)
		w.number("soft", c.Ulimits[i].Soft)
		w.number("hard", c.Ulimits[i].Hard)
	})
	w.number("nano_cpus", c.Resources.NanoCPUs)
	w.number("memory", c.Resources.Memory)
	w.number("pids", c.Resources.Pids)
}

func (w *canon) surroundings(c Container) {
	w.texts("extra_hosts", c.ExtraHosts)
	w.list("mounts", len(c.Mounts), func(w *canon, i int) { w.mount(c.Mounts[i]) })
	w.list("secrets", len(c.Secrets), func(w *canon, i int) {
		w.text("target", c.Secrets[i].Target)
		w.number("uid", int64(c.Secrets[i].UID))
		w.number("gid", int64(c.Secrets[i].GID))
		w.number("mode", int64(c.Secrets[i].Mode))
		w.text("content", string(c.Secrets[i].Content))
	})
	w.list("networks", len(c.Networks), func(w *canon, i int) { w.network(c.Networks[i]) })
	w.list("ports", len(c.Ports), func(w *canon, i int) {
		w.text("host_ip", c.Ports[i].HostIP)
		w.text("published", c.Ports[i].Published)
		w.number("target", int64(c.Ports[i].Target))
		w.text("protocol", c.Ports[i].Protocol)
	})
	if p := c.Publish; p != nil {
		w.group("publish", func(w *canon) {
			w.flag("set", true)
			w.number("blue_from", int64(p.Blue.From))
			w.number("blue_to", int64(p.Blue.To))
			w.number("green_from", int64(p.Green.From))
			w.number("green_to", int64(p.Green.To))
		})
	}
}

func (w *canon) mount(m Mount) {
	w.text("type", string(m.Type))
	w.text("source", m.Source)
	w.text("target", m.Target)
	w.flag("read_only", m.ReadOnly)
	w.flag("no_copy", m.NoCopy)
	w.flag("create_host_path", m.CreateHostPath)
	w.number("tmpfs_size", m.TmpfsSize)
	w.number("tmpfs_mode", int64(m.TmpfsMode))
	if v := m.Volume; v != nil {
		w.group("volume", func(w *canon) {
			w.text("name", v.Name)
			w.flag("external", v.External)
			w.text("driver", v.Driver)
			w.pairs("driver_opts", v.DriverOpts)
			w.pairs("labels", v.Labels)
		})
	}
}

func (w *canon) network(n Network) {
	w.text("name", n.Name)
	w.texts("aliases", n.Aliases)
	w.flag("external", n.External)
	w.text("driver", n.Driver)
	w.pairs("driver_opts", n.DriverOpts)
	w.pairs("labels", n.Labels)
	w.flag("internal", n.Internal)
	w.texts("subnets", n.Subnets)
}
