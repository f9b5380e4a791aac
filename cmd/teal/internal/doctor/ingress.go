package doctor

import (
	"context"
	"strings"

	"teal/deploy/docker"
)

// Ingress checks the network on which the proxy reaches the apps; look looks at
// it.
func Ingress(ctx context.Context, look func(context.Context) (docker.IngressState, error)) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := look(ctx)
	check := "network " + s.Name
	// Containers keep their network as long as they live.
	anew := "stop teal run, then: teal down, and teal run --ingress-subnet NETWORK with one that is free; the apps are away meanwhile"
	switch {
	case err != nil:
		return wrong(check, "docker network ls; or correct --ingress-subnet", "%v", err)
	case !s.Exists && !s.Subnet.IsValid():
		return wrong(check, "teal run --ingress-subnet NETWORK, with one that nothing uses; ip route shows what does",
			"does not exist, and no subnet is free that it could be made with")
	case !s.Exists:
		return good(check, "does not exist; teal run makes it, with %s", s.Subnet)
	case len(s.Doubles) > 0:
		return wrong(check, "docker network rm "+strings.Join(s.Doubles, " "), "there are %d of this name", len(s.Doubles)+1)
	case s.Fault != "":
		return wrong(check, "docker network inspect "+s.Name+"; take its containers off it, then: docker network rm "+s.Name, "cannot be used: %s", s.Fault)
	case len(s.Clashes) > 0:
		return wrong(check, anew, "its subnet %s overlaps %s", s.Subnet, strings.Join(s.Clashes, ", "))
	case s.Wanted.IsValid() && s.Wanted != s.Subnet:
		return wrong(check, anew+"; or leave --ingress-subnet out", "has the subnet %s, while --ingress-subnet is %s", s.Subnet, s.Wanted)
	case s.Free*10 < s.Size || s.Free == 0:
		return wrong(check, anew, "only %d of %d addresses of %s are free", s.Free, s.Size, s.Subnet)
	}
	return good(check, "%s, %d of %d addresses free", s.Subnet, s.Free, s.Size)
}
