package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxReplicas of one service on one host: more is a typing error.
const maxReplicas = 1000

var (
	projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)
)

// Validate checks everything about p that can be checked without its files: a
// project that came as JSON is as good after it as one from [Load]. The error
// is [Errors]; their keys are those of a Compose file.
func (p Project) Validate(policy Policy) error {
	var errs Errors
	for _, f := range check(p, policy) {
		errs = append(errs, Problem{Key: f.at.String(), Message: f.message, Hint: f.hint})
	}
	if len(errs) == 0 {
		return nil
	}
	return errs.sorted()
}

// checker collects what is wrong with a project.
type checker struct {
	policy   Policy
	named    bool // the project's name is good, and with it names made from it
	findings []finding
}

func (c *checker) refuse(at path, message, hint string) {
	c.findings = append(c.findings, finding{at: at, message: message, hint: hint})
}

// must reports unless ok.
func (c *checker) must(ok bool, at path, format string, args ...any) {
	if !ok {
		c.refuse(at, fmt.Sprintf(format, args...), "")
	}
}

// check returns everything that is wrong with p under policy.
func check(p Project, policy Policy) []finding {
	c := &checker{policy: policy, named: projectName.MatchString(p.Name)}
	if !c.named {
		c.refuse(path{"name"}, quote(p.Name)+" is not a project name",
			"write 1 to 63 lower-case letters, digits, - and _, with a letter or digit first")
	}
	if len(p.Services) == 0 {
		c.refuse(path{"services"}, "there is no active service", "")
	}
	for i, s := range p.Services {
		at := path{"services", s.Name.Service}
		c.must(s.Name.Project == p.Name, at, "belongs to the project %q, not to %q", s.Name.Project, p.Name)
		c.must(i == 0 || p.Services[i-1].Name.Service < s.Name.Service, at, "services are not sorted, or one is there twice")
		c.service(at, s, p.Services)
	}
	c.routes(p.Services)
	c.cycles(p.Services)
	c.claims(p.Services)
	c.shared(p.Services)
	return c.findings
}

func (c *checker) service(at path, s Service, all []Service) {
	if !serviceName.MatchString(s.Name.Service) {
		c.refuse(at, quote(s.Name.Service)+" is not a service name",
			"write 1 to 63 letters, digits, ., - and _, with a letter or digit first")
	}
	c.must(s.Replicas >= 0 && s.Replicas <= maxReplicas, at.with("deploy", "replicas"), "must be from 0 to %d, not %d", maxReplicas, s.Replicas)
	switch s.PullPolicy {
	case PullMissing, PullAlways, PullNever:
	default:
		c.refuse(at.with("pull_policy"), quote(string(s.PullPolicy))+" is not honoured", "write missing, always or never")
	}
	c.dependencies(at.with("depends_on"), s, all)
	c.container(at, s)
	c.hosts(at.with(keyHosts), s)
	c.adopted(at.with(keyAdopt), s)
	c.publish(at.with("x-teal", "publish"), s)
	c.calendars(at, s)
	if s.Rollout == nil {
		c.replicaPorts(at, s)
		return
	}
	c.must(!s.Job, at, "an app with x-teal cannot be a job")
	c.must(len(s.Container.Ports) == 0, at.with("ports"), "an app with x-teal publishes no ports: the proxy does")
	if s.Container.Restart == restartNever {
		c.refuse(at.with("restart"), "an app with x-teal must come back after a crash, also when Teal is not running",
			"remove restart, or write unless-stopped")
	}
	c.rollout(at.with("x-teal"), *s.Rollout)
	if p := s.Rollout.ImagePolicy; p != nil {
		c.imagePolicy(at.with("x-teal", "image_policy"), *p, s.namedImage())
	}
}

func (c *checker) dependencies(at path, s Service, all []Service) {
	for i, d := range s.DependsOn {
		here := at.with(d.Service)
		c.must(!slices.ContainsFunc(s.DependsOn[:i], func(o Dependency) bool { return o.Service == d.Service }), here, "is there twice")
		j := slices.IndexFunc(all, func(o Service) bool { return o.Name.Service == d.Service })
		if j < 0 {
			names := make([]string, len(all))
			for k, o := range all {
				names[k] = o.Name.Service
			}
			c.refuse(here, "there is no service "+quote(d.Service)+", or none of its profiles is active", suggestion(d.Service, names))
			continue
		}
		c.condition(here.with("condition"), d.Condition, all[j])
	}
}

func (c *checker) condition(at path, condition Condition, on Service) {
	switch condition {
	case Started, Healthy:
	case Completed:
		if on.Rollout != nil {
			c.refuse(at, "an app with x-teal never completes", "write service_healthy")
			return
		}
		c.must(on.Job, at, "%s is not marked as a job", on.Name)
		if r := on.Container.Restart; r == "always" || r == defaultRestart {
			c.refuse(path{"services", on.Name.Service, "restart"}, "another service waits for this one to complete, which it never does with "+quote(r),
				"remove restart, or write no or on-failure")
		}
	default:
		c.refuse(at, quote(string(condition))+" is not a condition",
			suggestion(string(condition), []string{string(Started), string(Healthy), string(Completed)}))
	}
}

// replicaPorts: two replicas cannot have the same port of the same host.
func (c *checker) replicaPorts(at path, s Service) {
	n := s.Seats()
	for _, p := range s.Container.Ports {
		if n > 1 && p.Published != "" && !strings.Contains(p.Published, "-") {
			c.refuse(at.with("ports"), fmt.Sprintf("%d replicas cannot share port %s of the host", n, p.Published),
				"publish a range, or none")
		}
	}
}

// routes: what a request matches must be one app.
func (c *checker) routes(services []Service) {
	taken := map[string]string{}
	claim := func(at path, name, key, words string) {
		if other, ok := taken[key]; ok {
			c.refuse(at, fmt.Sprintf("%s and %s both want %s", other, name, words), "give one of them another host or path")
			return
		}
		taken[key] = name
	}
	for _, s := range services {
		if s.Rollout == nil {
			continue
		}
		r, name := s.Rollout.Route, s.Name.Service
		at := path{"services", name, "x-teal", "route"}
		claim(at, name, r.Host+" "+r.Path, "host "+quote(r.Host)+", path "+quote(r.Path))
		if r.Preview.Host == "" {
			continue
		}
		claim(at.with("preview", "host"), name, "preview "+r.Preview.Host, "the preview host "+quote(r.Preview.Host))
		for _, o := range services {
			if o.Rollout != nil && o.Rollout.Route.Host == r.Preview.Host {
				c.refuse(at.with("preview", "host"), quote(r.Preview.Host)+" is already the host of "+o.Name.Service, "give the preview a host of its own")
			}
		}
	}
}

// cycles: services that wait for each other never start.
func (c *checker) cycles(services []Service) {
	edges := map[string][]string{}
	for _, s := range services {
		for _, d := range s.DependsOn {
			edges[s.Name.Service] = append(edges[s.Name.Service], d.Service)
		}
	}
	done := map[string]bool{}
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		if i := slices.Index(way, name); i >= 0 {
			ring := append(slices.Clone(way[i:]), name)
			c.refuse(path{"services", ring[0], "depends_on", ring[1]}, "services wait for each other: "+strings.Join(ring, " → "), "")
			return
		}
		if done[name] {
			return
		}
		for _, next := range edges[name] {
			visit(next, append(way, name))
		}
		done[name] = true
	}
	for _, s := range services {
		visit(s.Name.Service, nil)
	}
}

// shared: one network or volume of the engine is made in one way.
func (c *checker) shared(services []Service) {
	networks, volumes := map[string]Network{}, map[string]Volume{}
	for _, s := range services {
		at := path{"services", s.Name.Service}
		for _, n := range s.Container.Networks {
			n.Aliases = nil
			first, seen := networks[n.Name]
			c.must(!seen || sameJSON(first, n), at.with("networks"), "the network %s is described in two ways", n.Name)
			networks[n.Name] = n
		}
		for _, m := range s.Container.Mounts {
			if m.Volume == nil {
				continue
			}
			first, seen := volumes[m.Volume.Name]
			c.must(!seen || sameJSON(first, *m.Volume), at.with("volumes"), "the volume %s is described in two ways", m.Volume.Name)
			volumes[m.Volume.Name] = *m.Volume
		}
	}
}
