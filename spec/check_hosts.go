package spec

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// hosts checks where a service is placed.
func (c *checker) hosts(at path, s Service) {
	for i, h := range s.Hosts {
		here := at.item(i)
		if !ValidHostName(h) {
			c.refuse(here, quote(h)+" is not a name of a host", "write up to 63 letters, digits, - and ., with a letter or digit first and last")
			continue
		}
		c.must(!slices.Contains(s.Hosts[:i], h), here, "the host %s is there twice", h)
		c.known(here, h)
	}
}

// known refuses a host that the controller does not have.
func (c *checker) known(at path, host string) {
	if c.policy.Hosts == nil || slices.Contains(c.policy.Hosts, host) {
		return
	}
	names := slices.DeleteFunc(slices.Clone(c.policy.Hosts), func(n string) bool { return n == "" })
	if len(names) == 0 {
		c.refuse(at, "there is no host "+quote(host)+": the controller has only the one it runs on, without a name",
			"remove "+keyHosts+", or name the controller's hosts in its settings (hosts)")
		return
	}
	slices.Sort(names)
	c.refuse(at, "there is no host "+quote(host), suggestion(host, names))
}

// adopted checks the containers of before Teal.
func (c *checker) adopted(at path, s Service) {
	if len(s.Adopt) > 1 {
		c.refuse(at, "only one container can be the one that serves", "name the colour that has the traffic now; the other may be removed by hand")
	}
	for _, a := range s.Adopt {
		here := at
		if s.Rollout != nil {
			c.must(a.Colour == Blue || a.Colour == Green, at, "must be blue or green, not %q", a.Colour)
			here = at.with(string(a.Colour))
			c.address(here.with("address"), a.Address)
		} else {
			c.must(a.Colour == "" && a.Address == "", at, "a dependency has neither colour nor address")
			c.must(s.Replicas == 1, at, "a dependency with a container of before Teal has one replica, not %d", s.Replicas)
			c.must(!s.Job, at, "a job runs anew; its container of before is of no use")
		}
		c.adoptedContainer(here, s, a)
	}
}

func (c *checker) adoptedContainer(at path, s Service, a Adopted) {
	switch {
	case a.Container == "":
		c.refuse(at.with("container"), "missing: the name of the container that serves", "docker ps shows it")
	case !engineName.MatchString(a.Container):
		c.refuse(at.with("container"), quote(a.Container)+" is not a name of a container", "docker ps shows it")
	}
	switch {
	case len(s.Hosts) > 0 && a.Host == "":
		c.refuse(at.with("host"), "missing: the service has several hosts", "allowed: "+strings.Join(s.Hosts, ", "))
	case len(s.Hosts) > 0 && !slices.Contains(s.Hosts, a.Host):
		c.refuse(at.with("host"), quote(a.Host)+" is not a host of the service", suggestion(a.Host, s.Hosts))
	case len(s.Hosts) == 0 && a.Host != "":
		c.known(at.with("host"), a.Host)
	}
}

func (c *checker) address(at path, address string) {
	if address == "" {
		c.refuse(at, "missing: where the proxy reaches the container", "write address: 127.0.0.1:8080")
		return
	}
	host, port, err := net.SplitHostPort(address)
	n, errPort := strconv.Atoi(port)
	if err != nil || errPort != nil || !validPort(n) || !validHost(host) {
		c.refuse(at, quote(address)+" is not host:port", "write 127.0.0.1:8080")
	}
}

// publish checks the ports of an app's colours.
func (c *checker) publish(at path, s Service) {
	p := s.Container.Publish
	if p == nil {
		return
	}
	if s.Rollout == nil {
		c.refuse(at, "only an app with x-teal has colours", "write ports")
		return
	}
	good := true
	for _, colour := range []Colour{Blue, Green} {
		r := p.Of(colour)
		if !r.valid() {
			c.must(r == PortRange{}, at.with(string(colour)), "%s is not a port or a range of ports", r)
			good = false
			continue
		}
		if n := s.Seats(); r.Size() < n {
			c.refuse(at.with(string(colour)), fmt.Sprintf("too few ports: up to %d replicas share a host, and %s is %d", n, r, r.Size()),
				fmt.Sprintf("write %d-%d", r.From, r.From+n-1))
		}
	}
	c.must(!good || !p.Blue.overlaps(p.Green), at, "blue (%s) and green (%s) overlap: both colours run during a rollout", p.Blue, p.Green)
}

// portClaim is a range of ports of a host that a service wants.
type portClaim struct {
	service, host string
	ports         PortRange
	app           bool
}

// claims: a port that a colour publishes cannot be published by another service
// of the same host.
func (c *checker) claims(services []Service) {
	var taken []portClaim
	for _, s := range services {
		at := path{"services", s.Name.Service, "ports"}
		if s.Container.Publish != nil {
			at = path{"services", s.Name.Service, "x-teal", "publish"}
		}
		own := claimsOf(s)
		for _, x := range own {
			i := slices.IndexFunc(taken, func(o portClaim) bool { return o.host == x.host && (o.app || x.app) && o.ports.overlaps(x.ports) })
			if i >= 0 {
				c.refuse(at, fmt.Sprintf("%s and %s both publish port %s", taken[i].service, x.service, x.ports), "give one of them other ports")
				break
			}
		}
		taken = append(taken, own...)
	}
}

// claimsOf returns the TCP ports that s publishes on all addresses of its hosts.
func claimsOf(s Service) []portClaim {
	var ranges []PortRange
	if p := s.Container.Publish; p != nil {
		ranges = append(ranges, p.Blue, p.Green)
	}
	for _, p := range s.Container.Ports {
		// Of a range, the engine takes what is free.
		n, err := strconv.Atoi(p.Published)
		if p.Protocol == "tcp" && p.HostIP == "" && err == nil {
			ranges = append(ranges, PortRange{n, n})
		}
	}
	on := s.Hosts
	if len(on) == 0 {
		on = []string{""}
	}
	var out []portClaim
	for _, r := range ranges {
		if r.valid() {
			for _, h := range on {
				out = append(out, portClaim{s.Name.Service, h, r, s.Rollout != nil})
			}
		}
	}
	return out
}
