package docker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// hostRoute is an IPv4 route of this machine.
type hostRoute struct {
	device string
	to     netip.Prefix
}

// readRoutes reads the kernel's main table; a system without that file has no
// routes to tell of.
func readRoutes(name string) ([]hostRoute, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the host's routes: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	routes, err := parseRoutes(file)
	if err != nil {
		return nil, fmt.Errorf("read the host's routes: %w", err)
	}
	return routes, nil
}

// parseRoutes reads lines such as
//
//	Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      …
//	tun0   000010AC     00000000  0001   0       0    0       0000F0FF  …
//
// whose addresses are in the machine's byte order: this is 172.16.0.0/12 on most.
// Left out are routes for everything (VPNs also write them as two halves) and
// those that refuse: no network is behind them.
func parseRoutes(list io.Reader) ([]hostRoute, error) {
	var out []hostRoute
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[0] == "Iface" || f[0] == "*" {
			continue
		}
		to, okTo := routeWord(f[1])
		mask, okMask := routeWord(f[7])
		if !okTo || !okMask {
			return nil, fmt.Errorf("%q is not understood", lines.Text())
		}
		if length := bits.OnesCount32(binary.NativeEndian.Uint32(mask[:])); length > 1 {
			out = append(out, hostRoute{f[0], netip.PrefixFrom(netip.AddrFrom4(to), length)})
		}
	}
	return out, lines.Err()
}

// routeWord reads an address as the kernel's table has it.
func routeWord(text string) (a [4]byte, ok bool) {
	n, err := strconv.ParseUint(text, 16, 32)
	binary.NativeEndian.PutUint32(a[:], uint32(n))
	return a, err == nil && len(text) == 8
}
