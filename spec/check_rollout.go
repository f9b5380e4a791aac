package spec

import (
	stdpath "path"
	"regexp"
	"strings"
)

const maxPattern = 1000 // bytes of health.body

func (c *checker) rollout(at path, r Rollout) {
	switch r.Active {
	case ActiveAuto, ActiveBlue, ActiveGreen:
	default:
		c.refuse(at.with("active"), "must be auto, blue or green, not "+quote(string(r.Active)), "")
	}
	c.must(r.Strategy == BlueGreen, at.with("strategy"), "must be blue-green, not %q", r.Strategy)
	c.promotion(at.with("promotion"), r.Promotion)
	c.route(at.with("route"), r.Route)
	c.health(at.with("health"), r.Health)
	// A port taken over from the route is the route's mistake.
	c.must(r.Health.Kind == HealthDocker || validPort(r.Health.Port) || r.Health.Port == r.Route.Port, at.with("health", "port"),
		"%d is not a port", r.Health.Port)
	if r.Test != nil {
		c.test(at.with("test"), *r.Test)
	}
	c.must(r.Drain.Requests >= 0 && r.Drain.Upgraded >= 0, at.with("drain"), "must not be negative")
	c.must(r.Bake.For >= 0 && r.Bake.MinRequests >= 0, at.with("bake"), "must not be negative")
	c.must(r.Bake.MaxFailed >= 0 && r.Bake.MaxFailed <= 1, at.with("bake", "max_failed"), "must be from 0 to 1")
	c.must(r.Standby.For >= 0 && (!r.Standby.Forever || r.Standby.For == 0), at.with("standby"), "must be a duration or forever")
	c.must(len(r.Retry) <= 200, at.with("retry"), "must be at most 200 bytes long")
}

func (c *checker) promotion(at path, p Promotion) {
	switch p.Mode {
	case PromotionAuto:
		c.must(p == Promotion{Mode: PromotionAuto}, at, "auto takes no times")
	case PromotionAfter:
		c.must(p.After > 0, at.with("after"), "must be longer than 0")
		c.must(p.Timeout == 0 && p.OnTimeout == "", at, "after takes no timeout")
	case PromotionManual:
		c.must(p.Timeout > 0, at.with("timeout"), "must be longer than 0")
		c.must(p.OnTimeout == TimeoutAbort || p.OnTimeout == TimeoutPromote, at.with("on_timeout"), "must be abort or promote, not %q", p.OnTimeout)
		c.must(p.After == 0, at, "manual takes no after")
	default:
		c.refuse(at, "must be auto, manual or after, not "+quote(string(p.Mode)), "")
	}
}

func (c *checker) route(at path, r Route) {
	if r.Host != anyHost && !validHost(r.Host) {
		c.refuse(at.with("host"), quote(r.Host)+" is not a host name", `write api.example.com without scheme and port, or "*" for every host`)
	}
	clean := strings.HasPrefix(r.Path, "/") && stdpath.Clean(r.Path) == r.Path && !strings.ContainsAny(r.Path, "?#% \t\n")
	if !clean {
		c.refuse(at.with("path"), quote(r.Path)+" is not a path prefix", "write / or /api, without query and dots")
	}
	c.must(validPort(r.Port), at.with("port"), "%d is not a port", r.Port)
	c.must(r.Preview.Host == "" || validHost(r.Preview.Host), at.with("preview", "host"), "%q is not a host name", r.Preview.Host)
	c.must(validToken(r.Preview.Token), at.with("preview", "token"), "must be at most 200 letters, digits and signs, without spaces, and not true")
	c.must(r.Hold >= 0, at.with("hold"), "must not be negative")
	c.must(r.MaxBody >= 0, at.with("max_body"), "must not be negative")
	c.must(r.Timeout >= 0, at.with("timeout"), "must not be negative")
}

func validPort(p int) bool { return p >= 1 && p <= 65535 }

// validToken: it travels in a header, where the word true has a meaning of its
// own.
func validToken(t string) bool {
	return len(t) <= 200 && strings.IndexFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) < 0 && !strings.EqualFold(t, "true")
}

func (c *checker) health(at path, h Health) {
	switch h.Kind {
	case HealthHTTP:
		c.must(strings.HasPrefix(h.Path, "/") && !strings.ContainsAny(h.Path, " \t\r\n#"), at.with("http"), "must be a path such as /health, not %q", h.Path)
		c.must(len(h.Statuses) > 0, at.with("status"), "must name a status")
		for _, s := range h.Statuses {
			c.must(s.valid(), at.with("status"), "%d-%d is not a range of statuses", s.From, s.To)
		}
	case HealthTCP, HealthDocker:
		c.must(h.Path == "" && h.Host == "" && len(h.Headers) == 0 && len(h.Statuses) == 0 && h.Body == "", at, "%s takes nothing of http", h.Kind)
	default:
		c.refuse(at, "must be http, tcp or docker, not "+quote(string(h.Kind)), "")
	}
	_, err := regexp.Compile(h.Body)
	c.must(err == nil && len(h.Body) <= maxPattern, at.with("body"), "is not a regular expression (RE2) of at most %d bytes", maxPattern)
	c.must(strings.IndexFunc(h.Host, func(r rune) bool { return r <= ' ' }) < 0, at.with("host"), "%q is not a host", h.Host)
	for k, v := range h.Headers {
		c.must(validHeader(k) && !strings.ContainsAny(v, "\r\n\x00"), at.with("headers", k), "is not a header")
	}
	c.must(h.Interval > 0, at.with("interval"), "must be longer than 0")
	c.must(h.Timeout > 0, at.with("timeout"), "must be longer than 0")
	c.must(h.Deadline > 0, at.with("deadline"), "must be longer than 0")
	c.must(h.MinHealthy >= 0 && h.MinHealthy < h.Deadline, at.with("min_healthy"), "must be shorter than the deadline (%s)", h.Deadline)
	c.must(h.Successes >= 1, at.with("successes"), "must be at least 1")
	c.must(h.Failures >= 1, at.with("failures"), "must be at least 1")
	c.must(h.Restarts >= 1, at.with("restarts"), "must be at least 1")
}

func validHeader(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == ""
}

func (c *checker) test(at path, t Test) {
	c.must(len(t.Command) > 0 || t.Image != "", at, "needs a command")
	if t.Image != "" {
		full := normalImage(t.Image, func(m, h string) { c.refuse(at.with("image"), m, h) })
		c.must(full == "" || full == t.Image, at.with("image"), "%q is not normalised: write %s", t.Image, full)
	}
	c.must(t.Timeout > 0, at.with("timeout"), "must be longer than 0")
	for name := range t.Environment {
		c.must(name != "" && !strings.ContainsAny(name, "=\x00"), at.with("environment"), "%q is not a name of a variable", name)
	}
}
