package spec

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Keys beside x-teal: they are also for dependencies.
const (
	keyHosts = "x-teal-hosts"
	keyAdopt = "x-teal-adopt"
)

// elsewhere are keys that people look for inside x-teal.
var elsewhere = map[string]string{
	"hosts": "write " + keyHosts + " beside x-teal: dependencies have it, too",
	"adopt": "write " + keyAdopt + " beside x-teal: dependencies have it, too",
}

var hostName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$`)

// ValidHostName reports whether name can be the name of a host: 1 to 63
// letters, digits, dashes and dots, with a letter or digit first and last.
func ValidHostName(name string) bool { return hostName.MatchString(name) }

// Seats is the most replicas that one host gets: 5 replicas on 2 hosts are 3
// seats.
func (s Service) Seats() int {
	hosts := max(1, len(s.Hosts))
	return (s.Replicas + hosts - 1) / hosts
}

// Size is how many ports r has.
func (r PortRange) Size() int { return r.To - r.From + 1 }

func (r PortRange) valid() bool { return validPort(r.From) && validPort(r.To) && r.From <= r.To }

func (r PortRange) overlaps(o PortRange) bool { return r.From <= o.To && o.From <= r.To }

// String returns "8080" or "8080-8089".
func (r PortRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return strconv.Itoa(r.From) + "-" + strconv.Itoa(r.To)
}

// spread gives the services of m what the file says for all of them, if they do
// not say it themselves: where they run, when they are rolled out.
func (l *load) spread(m model) {
	for _, key := range ownTop {
		raw, ok := m.data[key]
		if !ok {
			continue
		}
		for name, s := range mapping(m.data["services"]) {
			service := mapping(s)
			if service == nil || says(service, key) {
				continue
			}
			service[key] = clone(raw)
			l.spreadTo[name+" "+key] = true
			m.places.underlay(m.places.moved(path{key}, path{"services", name, key}))
		}
	}
}

// says reports whether a service has key, or what means the same in its x-teal.
func says(service map[string]any, key string) bool {
	_, own := service[key]
	_, inside := mapping(service["x-teal"])[strings.TrimPrefix(key, "x-teal-")]
	return own || inside
}

// hosts reads a name or a list of names.
func hosts(v value) []string {
	switch raw := v.raw.(type) {
	case string:
		return []string{raw}
	case []any:
		var out []string
		for i, e := range raw {
			out = append(out, value{v.at.item(i), e, v.report}.text())
		}
		if len(out) > 0 {
			return out
		}
	}
	v.wrong("the name of a host, or a list of names")
	return nil
}

// publish reads {blue: 8080, green: "8081-8089"}.
func publish(v value) *Publish {
	f := v.fields(string(Blue), string(Green))
	var out Publish
	for _, c := range []struct {
		colour Colour
		to     *PortRange
	}{{Blue, &out.Blue}, {Green, &out.Green}} {
		p, ok := f[string(c.colour)]
		if !ok {
			v.child(f, string(c.colour)).refuse("missing: each colour needs ports of its own", "write publish: {blue: 8080, green: 8081}")
			return nil
		}
		*c.to = ports(p)
	}
	return &out
}

// ports reads a port or a range of ports.
func ports(v value) PortRange {
	text, ok := v.raw.(string)
	from, to, isRange := strings.Cut(text, "-")
	if !ok || !isRange {
		p := v.integer(1, math.MaxUint16)
		return PortRange{p, p}
	}
	f, err1 := strconv.Atoi(strings.TrimSpace(from))
	t, err2 := strconv.Atoi(strings.TrimSpace(to))
	r := PortRange{f, t}
	if err1 != nil || err2 != nil || !r.valid() {
		v.wrong(`a port such as 8080 or a range such as "8080-8089"`)
		return PortRange{}
	}
	return r
}

// adopted reads which containers of before Teal serve for a service: of an app
// {blue: {…}}, of a dependency one container. on are the service's hosts.
func adopted(v value, app bool, on []string) []Adopted {
	if v.raw == nil {
		return nil
	}
	if !app {
		return []Adopted{adoptedOne(v.fields("container", "host"), on)}
	}
	var out []Adopted
	f := v.fields(string(Blue), string(Green))
	for _, c := range []Colour{Blue, Green} {
		if one, ok := f[string(c)]; ok {
			a := adoptedOne(one.fields("container", "host", "address"), on)
			a.Colour = c
			out = append(out, a)
		}
	}
	if len(f) == 0 {
		v.refuse("must say which colour the container that serves is to be", "write "+keyAdopt+": {blue: {container: NAME, address: HOST:PORT}}")
	}
	return out
}

func adoptedOne(f map[string]value, on []string) Adopted {
	var a Adopted
	for key, to := range map[string]*string{"container": &a.Container, "host": &a.Host, "address": &a.Address} {
		if x, ok := f[key]; ok {
			*to = x.text()
		}
	}
	if len(on) == 1 {
		a.Host = cmp.Or(a.Host, on[0])
	}
	return a
}
