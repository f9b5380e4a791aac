package rig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
)

// shortID is a short name for name, the same each time.
func shortID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:3])
}

func (r *Rig) bridge() string { return "tr" + r.id + "br" }

// comment marks the rig's firewall rules.
func (r *Rig) comment() string { return folderPrefix + r.name }

// bridgeUp makes the bridge with the first address of a free subnet, and lets
// traffic between the hosts pass this machine's firewall, which Docker closes.
func (r *Rig) bridgeUp(ctx context.Context) error {
	var err error
	if r.subnet, err = freeSubnet(); err != nil {
		return err
	}
	r.next = r.Gateway()
	br := r.bridge()
	for _, args := range [][]string{
		{"ip", "link", "add", br, "type", "bridge"},
		{"ip", "addr", "add", netip.PrefixFrom(r.Gateway(), r.subnet.Bits()).String(), "dev", br},
		{"ip", "link", "set", br, "up"},
		{"iptables", "-w", "10", "-I", "FORWARD", "1", "-i", br, "-o", br, "-m", "comment", "--comment", r.comment(), "-j", "ACCEPT"},
	} {
		if err := run(ctx, args...); err != nil {
			return fmt.Errorf("make the rig's bridge: %w", err)
		}
	}
	return nil
}

// bridgeDown removes the bridge and the rules, if they are there.
func (r *Rig) bridgeDown(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "iptables", "-w", "10", "-S", "FORWARD").Output()
	if err != nil {
		return fmt.Errorf("list firewall rules: %w", err)
	}
	var errs []error
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "-A" || !strings.Contains(line, "--comment "+r.comment()+" ") {
			continue
		}
		errs = append(errs, run(ctx, append([]string{"iptables", "-w", "10", "-D"}, words[1:]...)...))
	}
	links, err := net.Interfaces()
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("list network links: %w", err))...)
	}
	for _, link := range links {
		if strings.HasPrefix(link.Name, "tr"+r.id) {
			errs = append(errs, r.removeLink(ctx, link.Name))
		}
	}
	return errors.Join(errs...)
}

// removeLink removes a link. One end of a pair goes by itself when the namespace
// of the other has ended, at a moment of the kernel's choice.
func (r *Rig) removeLink(ctx context.Context, name string) error {
	err := run(ctx, "ip", "link", "del", name)
	links, listing := net.Interfaces()
	if err == nil || listing != nil {
		return errors.Join(err, listing)
	}
	if !slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == name }) {
		return nil
	}
	return err
}

// freeSubnet returns the first of 10.211.0.0/24 to 10.211.255.0/24 that no
// address of this machine is in. Docker and Teal choose theirs elsewhere.
func freeSubnet() (netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list this machine's addresses: %w", err)
	}
	for third := range 256 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 211, byte(third), 0}), 24)
		if !taken(p, addresses) {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("all subnets of 10.211.0.0/16 are in use")
}

func taken(p netip.Prefix, addresses []net.Addr) bool {
	for _, a := range addresses {
		if used, err := netip.ParsePrefix(a.String()); err == nil && used.Overlaps(p) {
			return true
		}
	}
	return false
}

// run runs a program and puts what it wrote into the error.
func run(ctx context.Context, argv ...string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
