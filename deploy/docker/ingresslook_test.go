package docker

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
)

func TestRoutesOfTheHost(t *testing.T) {
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
tun0	00000080	010200C0	0003	0	0	0	00000080	0	0	0
*	000010AC	00000000	0200	0	0	0	0000F0FF	0	0	0
tun0	000010AC	00000000	0001	0	0	0	0000F0FF	0	0	0
br-0123456789ab	00001EAC	00000000	0001	0	0	0	0000FFFF	0	0	0
`
	got, err := parseRoutes(strings.NewReader(table))
	want := []hostRoute{
		{"tun0", netip.MustParsePrefix("172.16.0.0/12")},
		{"br-0123456789ab", netip.MustParsePrefix("172.30.0.0/16")},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseRoutes(strings.NewReader("eth0 x y z 0 0 0 0000FFFF")); err == nil {
		t.Error("a line out of garbage was read")
	}
	if got, err := readRoutes("/nowhere/route"); got != nil || err != nil {
		t.Errorf("without a table: %v, %v", got, err)
	}
}

func TestClashesOfASubnet(t *testing.T) {
	subnet := netip.MustParsePrefix("172.30.0.0/16")
	named := func(name, subnet string) network.Summary {
		return network.Summary{ID: name, Name: name, IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}}
	}
	own := named("0123456789abcdef", "172.30.0.0/16")
	via := func(device, to string) hostRoute { return hostRoute{device, netip.MustParsePrefix(to)} }
	for _, c := range []struct {
		name     string
		options  map[string]string
		networks []network.Summary
		routes   []hostRoute
		want     []string
	}{
		{"nothing else", nil, []network.Summary{own, named("n", "172.29.0.0/16")}, []hostRoute{via("br-0123456789ab", "172.30.0.0/16")}, nil},
		{"a network inside", nil, []network.Summary{own, named("n", "172.30.4.0/24")}, nil, []string{"network n (172.30.4.0/24)"}},
		{"a route around", nil, nil, []hostRoute{via("tun0", "172.16.0.0/12")}, []string{"the host's route to 172.16.0.0/12 (tun0)"}},
		{"a bridge with a name", map[string]string{"com.docker.network.bridge.name": "br9"}, nil, []hostRoute{via("br9", "172.30.0.0/16")}, nil},
		{"another bridge", nil, nil, []hostRoute{via("br-ba9876543210", "172.30.0.0/16")}, []string{"the host's route to 172.30.0.0/16 (br-ba9876543210)"}},
	} {
		own.Options = c.options
		if got := clashes(own, subnet, c.networks, c.routes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestAddressesThatAreFree(t *testing.T) {
	at := netip.MustParseAddr
	for _, c := range []struct {
		subnet     string
		used       []string
		size, free int
	}{
		{"10.1.2.0/29", nil, 5, 5},
		{"10.1.2.0/29", []string{"10.1.2.2", "10.1.2.6"}, 5, 3},
		{"10.1.2.0/29", []string{"10.1.2.1", "10.9.9.9"}, 5, 5}, // the gateway's own, and none of this subnet
		{"10.1.0.0/16", []string{"10.1.2.2"}, 65533, 65532},
		{"10.1.2.0/31", nil, 0, 0},
	} {
		in := ingressNetwork{subnet: netip.MustParsePrefix(c.subnet), used: map[netip.Addr]bool{}}
		in.gateway = in.subnet.Addr().Next()
		for _, a := range c.used {
			in.used[at(a)] = true
		}
		if size, free := in.count(); size != c.size || free != c.free {
			t.Errorf("%s with %v: %d of %d", c.subnet, c.used, free, size)
		}
	}
}
