package spec

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
)

// converter turns one service from Compose's types into ours.
type converter struct {
	*load
	project *types.Project
	places  index
	name    string
	at      path
}

// refuse reports a problem of the service's key.
func (c converter) refuse(message, hint string, key ...string) {
	c.reportNew(c.places, finding{at: c.at.with(key...), message: message, hint: hint})
}

func (c converter) service(s types.ServiceConfig, said said) Service {
	out := Service{
		Name:       Name{c.load.name, c.name},
		Replicas:   c.replicas(s, max(defaultReplicas, len(said.hosts))),
		DependsOn:  c.dependsOn(s.DependsOn),
		PullPolicy: c.pullPolicy(s.PullPolicy),
		Hosts:      said.hosts,
		Adopt:      said.adopt,
		Calendars:  said.calendars,
		Rollout:    said.rollout,
	}
	out.Container = c.container(s, said.rollout != nil)
	out.Container.Publish = said.publish
	if said.rollout != nil && len(s.Ports) > 0 {
		c.refuse("an app with x-teal publishes no ports: two colours cannot share one, and the proxy publishes for both",
			"remove ports and write x-teal: {route: {port: PORT}} with the port inside the container", "ports")
	}
	return out
}

// replicas returns how many there are to be; n if the file does not say.
func (c converter) replicas(s types.ServiceConfig, n int) int {
	if s.Deploy != nil && s.Deploy.Replicas != nil {
		n = *s.Deploy.Replicas
	}
	if s.Scale == nil {
		return n
	}
	if s.Deploy != nil && s.Deploy.Replicas != nil && n != *s.Scale {
		c.refuse("differs from deploy.replicas", "write one of them", "scale")
	}
	return *s.Scale
}

// dependsOn leaves out what is not required and not there.
func (c converter) dependsOn(d types.DependsOnConfig) []Dependency {
	var out []Dependency
	for _, name := range sortedKeys(d) {
		dep := d[name]
		if _, ok := c.project.Services[name]; !ok && !dep.Required {
			continue
		}
		if dep.Restart {
			c.refuse("restart: true is not honoured: a change of one service does not restart another", "remove it", "depends_on", name)
		}
		condition := Condition(dep.Condition)
		if condition == "" {
			condition = Started
		}
		out = append(out, Dependency{Service: name, Condition: condition})
	}
	return out
}

func (c converter) pullPolicy(p string) PullPolicy {
	switch p {
	case "", types.PullPolicyMissing, types.PullPolicyIfNotPresent:
		return PullMissing
	case types.PullPolicyAlways:
		return PullAlways
	case types.PullPolicyNever:
		return PullNever
	}
	c.refuse(quote(p)+" is not honoured", "write missing, always or never", "pull_policy")
	return PullMissing
}

func (c converter) container(s types.ServiceConfig, app bool) Container {
	image := ""
	if s.Image == "" {
		c.refuse("missing: Teal runs images", "write image: name:tag", "image")
	} else {
		image = normalImage(s.Image, func(m, h string) { c.refuse(m, h, "image") })
	}
	out := Container{
		Image: image, Command: s.Command, Entrypoint: s.Entrypoint, Environment: c.environment(s),
		User: s.User, WorkingDir: s.WorkingDir, Hostname: s.Hostname, Init: s.Init, TTY: s.Tty, ReadOnly: s.ReadOnly,
		CapAdd: capabilities(s.CapAdd), CapDrop: capabilities(s.CapDrop), SecurityOpt: s.SecurityOpt,
		ExtraHosts: slices.Sorted(slices.Values(s.ExtraHosts.AsList(":"))), ShmSize: int64(s.ShmSize), Ulimits: ulimits(s.Ulimits),
		Labels: maps.Clone(map[string]string(s.Labels)), StopSignal: s.StopSignal, StopGracePeriod: defaultGrace, Restart: defaultRestart,
		Mounts: c.mounts(s), Secrets: c.secrets(s), Networks: c.networks(s, app), Healthcheck: healthcheck(s.HealthCheck), Resources: c.resources(s),
	}
	if len(s.Command) == 0 {
		out.Command = nil // to an engine, an empty command is the image's
	}
	if s.Entrypoint != nil && len(s.Entrypoint) == 0 {
		out.Entrypoint = []string{""} // the engine's way to say: not the image's
	}
	if s.StopGracePeriod != nil {
		out.StopGracePeriod = Duration(*s.StopGracePeriod)
	}
	if s.Restart != "" {
		out.Restart = s.Restart
	}
	if s.Logging != nil {
		out.Logging = &Logging{Driver: s.Logging.Driver, Options: maps.Clone(map[string]string(s.Logging.Options))}
	}
	if !app {
		out.Ports = c.ports(s.Ports)
	}
	return out
}

// environment merges env files, in their order, and then environment.
func (c converter) environment(s types.ServiceConfig) map[string]string {
	own := c.ownVariables(s.Environment)
	lookup := c.env.with(own)
	out := map[string]string{}
	for i, f := range s.EnvFiles {
		at := path{"env_file"}.item(i)
		if !slices.Contains(envFormats, f.Format) {
			c.refuse("the format "+quote(f.Format)+" is not known", "allowed: raw", at...)
			continue
		}
		vars, findings, err := c.readEnv(f.Path, f.Format, lookup)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !bool(f.Required):
			continue
		case err != nil:
			c.refuse("env file "+c.refusal(f.Path, err), hintOf(err), at...)
		}
		for _, problem := range findings {
			problem.at = c.at.with(at...)
			c.reportAt(c.places, problem)
		}
		maps.Copy(out, vars)
	}
	maps.Copy(out, own)
	if len(out) == 0 {
		return nil
	}
	return out
}

func (c converter) ownVariables(environment types.MappingWithEquals) variables {
	own := variables{}
	for _, name := range sortedKeys(environment) {
		if v := environment[name]; v != nil {
			own[name] = *v
			continue
		}
		c.refuse("the variable "+name+" has no value: the environment of the process is not read",
			"write it into .env, or as "+name+": value", "environment", name)
	}
	return own
}

// normalImage returns the full familiar form of an image reference: nginx is
// nginx:latest, docker.io/library/nginx:1 is nginx:1.
func normalImage(image string, refuse func(message, hint string)) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		refuse(quote(image)+" is not an image reference: "+err.Error(), "write name:tag or registry/name:tag")
		return ""
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

func capabilities(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, bareCapability(n))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func ulimits(m map[string]*types.UlimitsConfig) []Ulimit {
	var out []Ulimit
	for _, name := range sortedKeys(m) {
		u := m[name]
		soft, hard := u.Soft, u.Hard
		if u.Single != 0 {
			soft, hard = u.Single, u.Single
		}
		out = append(out, Ulimit{Name: name, Soft: int64(soft), Hard: int64(hard)})
	}
	return out
}

func healthcheck(h *types.HealthCheckConfig) *Healthcheck {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &Healthcheck{Test: []string{"NONE"}}
	}
	out := &Healthcheck{Test: h.Test}
	for _, d := range []struct {
		to   *Duration
		from *types.Duration
	}{{&out.Interval, h.Interval}, {&out.Timeout, h.Timeout}, {&out.StartPeriod, h.StartPeriod}} {
		if d.from != nil {
			*d.to = Duration(*d.from)
		}
	}
	if h.Retries != nil {
		out.Retries = int(min(*h.Retries, 1<<30))
	}
	return out
}
