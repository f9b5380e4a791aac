package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
)

// Host is one of several hosts, and how it is asked. Space may be nil: nobody
// can say.
type Host struct {
	Name, URL string
	Version   func(context.Context) (version, api string, err error)
	System    func(context.Context) (docker.SystemState, error)
	Ports     func(context.Context) (docker.PortsState, error)
	Ingress   func(context.Context) (docker.IngressState, error)
	// Space returns the free bytes where a folder of the host is.
	Space func(ctx context.Context, folder string) (uint64, error)
}

// Hosts checks hosts side by side; what was found is in their order.
func Hosts(ctx context.Context, hosts []Host) []Finding {
	found := make([][]Finding, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { found[i] = h.examine(ctx) })
	}
	all.Wait()
	var out []Finding
	for _, f := range found {
		out = append(out, f...)
	}
	return out
}

// examine checks the engine and, if that answers, what is to be had of it.
func (h Host) examine(ctx context.Context) []Finding {
	out := []Finding{h.engine(ctx)}
	if out[0].OK {
		out = append(out, h.machine(ctx)...)
		out = append(out, h.ways(ctx))
	}
	return out
}

// check names what was looked at: every line says on which host.
func (h Host) check(what string) string { return "host " + h.Name + ": " + what }

// words are those of an error, without the host's name, which the line has.
func (h Host) words(err error) string {
	return strings.TrimPrefix(err.Error(), "host "+h.Name+": ")
}

func (h Host) engine(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	v, spoken, err := h.Version(ctx)
	switch {
	case err != nil:
		return wrong(h.check("engine"), h.wayIn(err), "%s", h.words(err))
	case older(spoken, oldestAPI):
		return wrong(h.check("engine"), "install Docker Engine 20.10 or newer there", "engine too old: Docker Engine %s speaks API %s, older than %s", v, spoken, oldestAPI)
	}
	return good(h.check("engine"), "Docker Engine %s, API %s, at %s", v, spoken, h.URL)
}

// connectLimit is longer than other limits: a connection through other hosts
// takes its time, and why it failed is told only at its own limit.
const connectLimit = 20 * time.Second

// wayIn says what to type where a host cannot be reached.
func (h Host) wayIn(err error) string {
	var unknown *ssh.UnknownHostKeyError
	var changed *ssh.ChangedHostKeyError
	switch {
	case errors.As(err, &unknown):
		return "on that host, compare: for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $k; done   then here: echo '" + unknown.Line + "' >> " + unknown.File
	case errors.As(err, &changed):
		return "find out why before anything else; only if the host was installed anew: ssh-keygen -R " + changed.Host
	}
	return "docker -H " + h.URL + " version, with what hosts." + h.Name + " says of keys"
}

// machine checks the clock, the disk and what a restart of the engine does.
func (h Host) machine(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := time.Now()
	s, err := h.System(ctx)
	if err != nil {
		return []Finding{wrong(h.check("clock"), "sudo systemctl restart docker, there", "%s", h.words(err))}
	}
	live := restarts(s)
	live.Check = h.check(live.Check)
	return []Finding{h.clock(s.Clock, asked, time.Now()), h.space(ctx, s.Folder), live}
}

// mostOff is how far a clock may be off; more makes probes, certificates and
// the order of events hard to read.
const mostOff = 5 * time.Second

// clock compares the host's clock with the time between question and answer.
func (h Host) clock(clock, asked, answered time.Time) Finding {
	off := time.Duration(0)
	switch {
	case clock.Before(asked):
		off = clock.Sub(asked)
	case clock.After(answered):
		off = clock.Sub(answered)
	}
	if off.Abs() > mostOff {
		return wrong(h.check("clock"), "timedatectl, there and here: is NTP active?", "is off by %s against this host", off.Round(100*time.Millisecond))
	}
	return good(h.check("clock"), "within %s of this host", mostOff)
}

func (h Host) space(ctx context.Context, folder string) Finding {
	if h.Space == nil {
		return good(h.check("space"), "cannot be seen from here; there: df -h %s", folder)
	}
	free, err := h.Space(ctx, folder)
	text := fmt.Sprintf("%.1f GiB free at %s", float64(free)/(1<<30), folder)
	switch {
	case err != nil:
		return wrong(h.check("space"), "df -h "+folder+", there", "%s", h.words(err))
	case free < leastSpace:
		return wrong(h.check("space"), "docker system df; docker image prune, there", "only %s", text)
	}
	return good(h.check("space"), "%s", text)
}

// ways checks how the proxy reaches apps on the host.
func (h Host) ways(ctx context.Context) Finding {
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p, err := h.Ports(asking)
	switch {
	case err != nil:
		return wrong(h.check("ports"), "sudo systemctl restart docker, there", "%s", h.words(err))
	case p.Address == "":
		f := Ingress(ctx, h.Ingress)
		f.Check = h.check(f.Check)
		return f
	}
	check, size := h.check("ports"), p.Range.Size()
	if p.Free*10 < size {
		return wrong(check, "hosts."+h.Name+".ports: a larger range", "only %d of %d ports of %s are free at %s", p.Free, size, p.Range, p.Address)
	}
	if why := reach(ctx, p); why != "" {
		return wrong(check, "is "+p.Address+" an address of that host, and do firewalls let "+p.Range.String()+" through from here?", "%s", why)
	}
	return good(check, "%d of %d ports of %s are free at %s", p.Free, size, p.Range, p.Address)
}

// reach says why connections from here do not come to the host's address. On a
// port that nobody has, the host itself refuses; a firewall is silent, and
// somebody else's program answers.
func reach(ctx context.Context, p docker.PortsState) string {
	taken := map[int]bool{}
	for _, t := range p.Taken {
		taken[t.Port] = true
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for port := p.Range.From; port <= p.Range.To; port++ {
		if taken[port] {
			continue
		}
		address := net.JoinHostPort(p.Address, strconv.Itoa(port))
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		switch {
		case errors.Is(err, unix.ECONNREFUSED):
			return ""
		case err != nil:
			return fmt.Sprintf("%s cannot be reached from here: %v", p.Address, err)
		}
		if err := conn.Close(); err != nil {
			return err.Error()
		}
		return fmt.Sprintf("port %d of %s is given out and taken by a program that is no container", port, p.Address)
	}
	return ""
}
