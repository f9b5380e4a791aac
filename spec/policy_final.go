package spec

import "fmt"

// CheckCapability reports why name may not be added to a container; nil: it may.
func (p Policy) CheckCapability(name string) error {
	if p.capabilityAllowed(name) {
		return nil
	}
	return fmt.Errorf("cap_add %s is not among the usual capabilities, and the policy does not allow it", name)
}

// CheckSecurityOpt reports why opt may not be set on a container; nil: it may.
func (p Policy) CheckSecurityOpt(opt string) error {
	if p.securityOptAllowed(opt) {
		return nil
	}
	return fmt.Errorf("security_opt %s weakens the container's isolation, and the policy does not allow it", opt)
}

// CheckVolume reports why v may not be made; nil: it may. The usual driver
// mounts whatever its options name, so that a volume can be a bind mount in
// disguise.
func (p Policy) CheckVolume(v Volume) error {
	if !p.driverAllowed(v.Driver, "local") {
		return fmt.Errorf("volume driver %s is not local, and the policy does not allow it", v.Driver)
	}
	device := v.DriverOpts["device"]
	share := len(device) > 1 && device[1] == '/' // //server/share
	if v.Driver != "" && v.Driver != "local" || device == "" || device[0] != '/' || share {
		return nil
	}
	return p.CheckBind(device)
}

// CheckNetwork reports why n may not be made; nil: it may.
func (p Policy) CheckNetwork(n Network) error {
	if p.driverAllowed(n.Driver, "bridge") {
		return nil
	}
	return fmt.Errorf("network driver %s is not bridge, and the policy does not allow it", n.Driver)
}
