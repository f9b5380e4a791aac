// Package table says which tables a proxy can serve, the same for every kind.
package table

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// maxTargets bounds the replicas of one colour.
const maxTargets = 1024

// Check says what is wrong with t, in words for the operator. A table that
// passes can be served.
func Check(t reconcile.Table) error {
	apps := map[spec.Name]bool{}
	places := map[[2]string]spec.Name{}
	for i := range t.Routes {
		r := &t.Routes[i]
		if apps[r.App] {
			return fmt.Errorf("%s has two routes", r.App)
		}
		apps[r.App] = true
		if err := checkRoute(r); err != nil {
			return fmt.Errorf("route of %s: %w", r.App, err)
		}
		for _, host := range hostsOf(r) {
			place := [2]string{host, CleanPath(r.Path)}
			if other, taken := places[place]; taken {
				return fmt.Errorf("host %q with path %q is claimed by %s and by %s", place[0], place[1], other, r.App)
			}
			places[place] = r.App
		}
	}
	return nil
}

func hostsOf(r *reconcile.Route) []string {
	if r.Preview.Host == "" {
		return []string{r.Host}
	}
	return []string{r.Host, r.Preview.Host}
}

func checkRoute(r *reconcile.Route) error {
	if r.App.Project == "" || r.App.Service == "" {
		return fmt.Errorf("the app's name %q is not project/service", r.App)
	}
	if r.Host != AnyHost {
		if err := checkHost(r.Host); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path %q does not begin with a slash", r.Path)
	}
	if r.Hold < 0 || r.MaxBody < 0 || r.Timeout < 0 || r.Drain.Requests < 0 || r.Drain.Upgraded < 0 {
		return fmt.Errorf("hold, max body, timeout and drain must not be negative")
	}
	if err := checkBackends(r.Backends); err != nil {
		return err
	}
	return checkPreview(r)
}

func checkHost(host string) error {
	if host == "" {
		return fmt.Errorf("the host is empty; every host is %q", AnyHost)
	}
	// nginx takes a name that begins with a dot for all below it.
	if HostOf(host) != host || strings.HasPrefix(host, ".") || strings.Contains(host, "..") || strings.ContainsAny(host, "/*@ \t\r\n[]") {
		return fmt.Errorf("host %q is not a lower-case host name without a port", host)
	}
	return nil
}

func checkBackends(backends []reconcile.Backend) error {
	sum := 0
	seen := map[spec.Colour]bool{}
	for _, b := range backends {
		if b.Colour != spec.Blue && b.Colour != spec.Green {
			return fmt.Errorf("colour %q is neither %s nor %s", b.Colour, spec.Blue, spec.Green)
		}
		if seen[b.Colour] {
			return fmt.Errorf("colour %s stands twice", b.Colour)
		}
		seen[b.Colour] = true
		if b.Revision == "" {
			return fmt.Errorf("%s has no revision", b.Colour)
		}
		if b.Weight < 0 || b.Weight > 100 {
			return fmt.Errorf("weight %d of %s is not between 0 and 100", b.Weight, b.Colour)
		}
		sum += b.Weight
		if err := checkTargets(b); err != nil {
			return err
		}
	}
	if sum != 100 {
		return fmt.Errorf("weights sum to %d, not to 100", sum)
	}
	return nil
}

func checkTargets(b reconcile.Backend) error {
	if len(b.Targets) > maxTargets {
		return fmt.Errorf("%s has %d targets; at most %d are allowed", b.Colour, len(b.Targets), maxTargets)
	}
	seen := map[string]bool{}
	for _, target := range b.Targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil || host == "" || strings.ContainsAny(host, "/@ \t\r\n") {
			return fmt.Errorf("target %q of %s is not host:port", target, b.Colour)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("port of target %q of %s is not between 1 and 65535", target, b.Colour)
		}
		if seen[target] {
			return fmt.Errorf("target %s of %s stands twice", target, b.Colour)
		}
		seen[target] = true
	}
	return nil
}

func checkPreview(r *reconcile.Route) error {
	if r.Preview.Host != "" {
		if err := checkHost(r.Preview.Host); err != nil {
			return fmt.Errorf("preview: %w", err)
		}
	}
	if r.Preview.Colour == "" {
		return nil
	}
	for _, b := range r.Backends {
		if b.Colour == r.Preview.Colour {
			return nil
		}
	}
	return fmt.Errorf("preview: %s is not among the backends", r.Preview.Colour)
}
