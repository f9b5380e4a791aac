package docker

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"teal/reconcile"
	"teal/spec"
)

// request is a container as the engine will be asked for it.
type request struct {
	id      identity
	image   reconcile.Image
	config  *container.Config
	host    *container.HostConfig
	project []spec.Network // to be made and joined
	volumes []spec.Volume  // to be made
	secrets []spec.Secret  // to be put into it before it starts
	// secretsIn is the only folder that they can be put into. Empty: anywhere.
	secretsIn string
	// publication is what it publishes on the host's address.
	publication publication
}

// replicaRequest puts a replica into the engine's words.
func (e *Engine) replicaRequest(app spec.Name, en reconcile.Ensure) (request, error) {
	c := en.Revision.Container
	r := request{id: e.replicaOf(app, en), image: en.Revision.Image, project: c.Networks}
	image, err := engineRef(r.image)
	if err != nil {
		return r, err
	}
	r.config = &container.Config{
		Image: image, Cmd: c.Command, Entrypoint: c.Entrypoint, Env: environment(c.Environment),
		User: c.User, WorkingDir: c.WorkingDir, Hostname: c.Hostname, Tty: c.TTY,
		StopSignal: c.StopSignal, StopTimeout: seconds(c.StopGracePeriod.D()),
		Labels: r.id.labels(c.Labels), Healthcheck: healthcheck(c.Healthcheck),
	}
	restart, err := restartPolicy(c.Restart)
	if err != nil {
		return r, err
	}
	r.host = &container.HostConfig{
		RestartPolicy: restart, Init: c.Init, ReadonlyRootfs: c.ReadOnly,
		CapAdd: c.CapAdd, CapDrop: c.CapDrop, SecurityOpt: c.SecurityOpt,
		ExtraHosts: c.ExtraHosts, ShmSize: c.ShmSize, Resources: resources(c),
	}
	if c.Logging != nil {
		r.host.LogConfig = container.LogConfig{Type: c.Logging.Driver, Config: c.Logging.Options}
	}
	r.mounts(c.Mounts)
	r.secretsOf(c)
	if err := r.ports(c.Ports); err != nil {
		return r, err
	}
	if r.publication, err = e.publicationOf(app, en); err != nil {
		return r, err
	}
	r.host.NetworkMode = container.NetworkMode(e.firstNetwork(r))
	return r, nil
}

// testRequest puts a one-shot test into the engine's words. It gets nothing of
// the app's own settings but its networks, limits and, in its own image, user.
func (e *Engine) testRequest(app spec.Name, run reconcile.TestRun, img reconcile.Image) (request, error) {
	c := run.Revision.Container
	r := request{id: e.testOf(app, run), image: img, project: c.Networks}
	image, err := engineRef(img)
	if err != nil {
		return r, err
	}
	env := maps.Clone(run.Test.Environment)
	if env == nil {
		env = map[string]string{}
	}
	env["TEAL_URL"] = fmt.Sprintf("http://%s:%d", run.Target, run.Revision.Port)
	env["TEAL_COLOUR"] = string(run.Colour)
	env["TEAL_REVISION"] = run.Revision.ID
	r.config = &container.Config{
		Image: image, Cmd: run.Test.Command, Env: environment(env),
		Labels:      r.id.labels(nil),
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	if run.Test.Image == "" {
		r.config.User = c.User
	}
	r.host = &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		Resources:     resources(c),
	}
	r.host.NetworkMode = container.NetworkMode(e.firstNetwork(r))
	return r, nil
}

// firstNetwork is the one network that every engine accepts at creation: the
// ingress for an app that is reached there, so that its fixed address is taken
// at once.
func (e *Engine) firstNetwork(r request) string {
	switch {
	case e.onIngress(r):
		return e.ingress.Name
	case len(r.project) > 0:
		return r.leadingOut().Name
	}
	return ""
}

// onIngress reports whether a container is to be on the ingress network. One
// that publishes ports is there only if its own networks would keep the engine
// from publishing: they are all internal.
func (e *Engine) onIngress(r request) bool {
	if r.id.Port == 0 {
		return false
	}
	return e.publishOn == "" || len(r.project) > 0 && r.leadingOut().Internal
}

// leadingOut is the project's first network that is not internal, or else its
// first one. The engine publishes ports by way of such a network.
func (r *request) leadingOut() spec.Network {
	for _, n := range r.project {
		if !n.Internal {
			return n
		}
	}
	return r.project[0]
}

// mounts uses Binds where the engine is to make a missing source: older engines
// cannot be asked for that in Mounts.
func (r *request) mounts(mounts []spec.Mount) {
	for _, m := range mounts {
		if m.Volume != nil {
			r.volumes = append(r.volumes, *m.Volume)
		}
		if m.Type == spec.MountBind && m.CreateHostPath && !strings.Contains(m.Source+m.Target, ":") {
			mode := "rw"
			if m.ReadOnly {
				mode = "ro"
			}
			r.host.Binds = append(r.host.Binds, m.Source+":"+m.Target+":"+mode)
			continue
		}
		r.host.Mounts = append(r.host.Mounts, engineMount(m))
	}
}

func engineMount(m spec.Mount) mount.Mount {
	out := mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	switch m.Type {
	case spec.MountVolume:
		if m.NoCopy {
			out.VolumeOptions = &mount.VolumeOptions{NoCopy: true}
		}
	case spec.MountTmpfs:
		out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.TmpfsSize, Mode: os.FileMode(m.TmpfsMode)}
	case spec.MountBind:
		out.BindOptions = &mount.BindOptions{CreateMountpoint: m.CreateHostPath}
	}
	return out
}

// ports publishes the ports of a dependency.
func (r *request) ports(ports []spec.Port) error {
	for _, p := range ports {
		port, err := nat.NewPort(cmp.Or(p.Protocol, "tcp"), strconv.Itoa(p.Target))
		if err != nil {
			return permanent(reconcile.ReasonEngineRefused, "port %d/%s: %v", p.Target, p.Protocol, err)
		}
		if r.config.ExposedPorts == nil {
			r.config.ExposedPorts, r.host.PortBindings = nat.PortSet{}, nat.PortMap{}
		}
		r.config.ExposedPorts[port] = struct{}{}
		r.host.PortBindings[port] = append(r.host.PortBindings[port], nat.PortBinding{HostIP: p.HostIP, HostPort: p.Published})
	}
	return nil
}

// endpoint is how the container joins a network of its project. Container names
// carry a revision, so others find it by names that stay: its aliases, its
// colour, and for a dependency its service.
func (r *request) endpoint(n spec.Network) *network.EndpointSettings {
	out := &network.EndpointSettings{Aliases: slices.Clone(n.Aliases)}
	if r.id.Role != spec.RoleReplica {
		return out
	}
	name := r.id.Name.Service
	if r.id.Colour != "" {
		name += "-" + string(r.id.Colour)
	}
	if !slices.Contains(out.Aliases, name) {
		out.Aliases = append(out.Aliases, name)
	}
	return out
}

// environment is sorted, so that equal settings make equal containers.
func environment(vars map[string]string) []string {
	out := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

// seconds rounds up: the engine counts whole ones.
func seconds(d time.Duration) *int {
	n := int(math.Ceil(d.Seconds()))
	return &n
}

func healthcheck(h *spec.Healthcheck) *container.HealthConfig {
	if h == nil {
		return nil
	}
	return &container.HealthConfig{
		Test: h.Test, Interval: h.Interval.D(), Timeout: h.Timeout.D(), StartPeriod: h.StartPeriod.D(), Retries: h.Retries,
	}
}

// restartPolicy reads no, always, unless-stopped and on-failure[:n].
func restartPolicy(text string) (container.RestartPolicy, error) {
	name, count, counted := strings.Cut(cmp.Or(text, "no"), ":")
	out := container.RestartPolicy{Name: container.RestartPolicyMode(name)}
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil {
			return out, permanent(reconcile.ReasonEngineRefused, "restart policy %q: %v", text, err)
		}
		out.MaximumRetryCount = n
	}
	if err := container.ValidateRestartPolicy(out); err != nil {
		return out, permanent(reconcile.ReasonEngineRefused, "restart policy %q: %v", text, err)
	}
	return out, nil
}

func resources(c spec.Container) container.Resources {
	out := container.Resources{NanoCPUs: c.Resources.NanoCPUs, Memory: c.Resources.Memory}
	if c.Resources.Pids != 0 {
		out.PidsLimit = &c.Resources.Pids
	}
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return out
}
