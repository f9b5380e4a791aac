package docker

import (
	"context"
	"slices"

	"teal/spec"
)

// PortsState is what [Engine.LookAtPorts] found.
type PortsState struct {
	Host    string         // the host's name
	Address string         // where ports are published; empty: nowhere, and the rest is empty
	Range   spec.PortRange // the ports that are given out
	// Taken are the ports of Range on Address that containers have, running or
	// not, sorted by port. Other programs of the host are not known of.
	Taken []TakenPort
	// Free counts the ports of Range that no container has.
	Free int
}

// TakenPort is a port of the host that a container has.
type TakenPort struct {
	Port      int
	Container string // its name
	Running   bool   // if not, it has the port once it runs again
	Ours      bool   // of this controller
}

// LookAtPorts tells which of the ports that are given out are taken, without
// changing anything. It is an error if the engine does not answer.
func (e *Engine) LookAtPorts(ctx context.Context) (PortsState, error) {
	out := PortsState{Host: e.name, Address: e.publishOn}
	if e.publishOn == "" {
		return out, nil
	}
	users, err := e.portUsers(ctx)
	if err != nil {
		return out, e.onHost(err)
	}
	out.Range = e.ports
	for port := e.ports.From; port <= e.ports.To; port++ {
		before := len(out.Taken)
		for _, u := range users[port] {
			taken := TakenPort{Port: port, Container: u.name, Running: u.running, Ours: u.ours}
			if overlaps(u.address, e.publishOn) && !slices.Contains(out.Taken[before:], taken) { // one may have it as IPv4 and IPv6
				out.Taken = append(out.Taken, taken)
			}
		}
		if len(out.Taken) == before {
			out.Free++
		}
	}
	return out, nil
}
