package spec

import (
	"math"
	"strconv"
	"strings"
)

// decodeHealth reads x-teal.health. Without it the engine's own check is taken
// if Compose gives the service one, and any answer of the app otherwise. h.Port
// is the route's.
func decodeHealth(v value, h *Health, checked bool) {
	f := v.fields("http", "tcp", "docker", "port", "host", "headers", "status", "body",
		"interval", "timeout", "successes", "failures", "min_healthy", "deadline", "restarts")
	decodeKind(v, f, h, checked)
	decodeHTTP(f, h)
	decodeTimes(f, h)
}

func decodeKind(v value, f map[string]value, h *Health, checked bool) {
	http, hasHTTP := f["http"]
	tcp, hasTCP := f["tcp"]
	docker, hasDocker := f["docker"]
	switch n := count(hasHTTP, hasTCP, hasDocker); {
	case n > 1:
		v.refuse("more than one kind of probe", "write one of http, tcp and docker")
		return
	case n == 0 && checked:
		h.Kind, h.Port = HealthDocker, 0
	case n == 0:
		h.Kind, h.Path, h.Statuses = HealthHTTP, probePath, anyAnswer
	case hasHTTP:
		h.Kind, h.Path, h.Statuses = HealthHTTP, http.text(), goodAnswer
	case hasTCP:
		h.Kind, h.Port = HealthTCP, tcpPort(tcp, h.Port)
	case hasDocker:
		h.Kind, h.Port = HealthDocker, 0
		if !docker.boolean() {
			docker.refuse("must be true", "write http: / or tcp: true for another kind")
		}
	}
	if p, ok := f["port"]; ok && h.Kind != HealthDocker {
		h.Port = p.integer(1, math.MaxUint16)
	} else if ok {
		p.refuse("has no meaning for docker: the image's own check runs inside the container", "")
	}
}

func count(flags ...bool) int {
	n := 0
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// tcpPort reads true, for the route's port, or a port.
func tcpPort(v value, port int) int {
	switch v.raw {
	case true, "true":
		return port
	case false, "false":
		v.refuse("must be true or a port", "")
		return port
	}
	return v.integer(1, math.MaxUint16)
}

func decodeHTTP(f map[string]value, h *Health) {
	for _, k := range []string{"host", "headers", "status", "body"} {
		if x, ok := f[k]; ok && h.Kind != "" && h.Kind != HealthHTTP {
			x.refuse("has no meaning for "+string(h.Kind), "write http: / to probe over HTTP")
		}
	}
	if h.Kind != HealthHTTP {
		return
	}
	if x, ok := f["host"]; ok {
		h.Host = x.text()
	}
	if x, ok := f["headers"]; ok {
		h.Headers = x.texts()
	}
	if x, ok := f["body"]; ok {
		h.Body = x.text()
	}
	if x, ok := f["status"]; ok {
		h.Statuses = statuses(x)
	}
}

// statuses reads 200, "200-299" or a list of those.
func statuses(v value) []StatusRange {
	list, ok := v.raw.([]any)
	if !ok {
		return []StatusRange{status(v)}
	}
	if len(list) == 0 {
		v.refuse("must name a status", "")
	}
	var out []StatusRange
	for i, e := range list {
		out = append(out, status(value{v.at.item(i), e, v.report}))
	}
	return out
}

func status(v value) StatusRange {
	var r StatusRange
	var err error
	switch raw := v.raw.(type) {
	case int:
		r = StatusRange{raw, raw}
	case string:
		from, to, isRange := strings.Cut(raw, "-")
		if r.From, err = strconv.Atoi(strings.TrimSpace(from)); !isRange {
			r.To = r.From
		} else if err == nil {
			r.To, err = strconv.Atoi(strings.TrimSpace(to))
		}
	}
	if err != nil || !r.valid() {
		v.wrong(`a status such as 200 or "200-299"`)
	}
	return r
}

func (r StatusRange) valid() bool { return r.From >= 100 && r.From <= r.To && r.To <= 599 }

func decodeTimes(f map[string]value, h *Health) {
	for k, d := range map[string]*Duration{"interval": &h.Interval, "timeout": &h.Timeout, "deadline": &h.Deadline} {
		if x, ok := f[k]; ok {
			*d = x.positive()
		}
	}
	for k, n := range map[string]*int{"successes": &h.Successes, "failures": &h.Failures, "restarts": &h.Restarts} {
		if x, ok := f[k]; ok {
			*n = x.integer(1, math.MaxInt32)
		}
	}
	if x, ok := f["min_healthy"]; ok {
		h.MinHealthy = x.duration()
	}
}
