package doctor

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"teal/deploy/docker"
)

func TestIngress(t *testing.T) {
	subnet := netip.MustParsePrefix("172.30.0.0/16")
	// there is an ingress network that is as it should be, but for change.
	there := func(change func(s *docker.IngressState)) docker.IngressState {
		s := docker.IngressState{Name: "teal-ingress", Exists: true, Subnet: subnet, Size: 65533, Free: 65530}
		change(&s)
		return s
	}
	for _, c := range []struct {
		name  string
		state docker.IngressState
		err   error
		ok    bool
		words []string
	}{
		{"as it should be", there(func(*docker.IngressState) {}), nil, true, []string{"network teal-ingress", "172.30.0.0/16, 65530 of 65533"}},
		{"as it was configured", there(func(s *docker.IngressState) { s.Wanted = subnet }), nil, true, nil},
		{"not made yet", docker.IngressState{Name: "teal-ingress", Subnet: subnet}, nil, true, []string{"teal run makes it, with 172.30.0.0/16"}},
		{"no subnet is free", docker.IngressState{Name: "teal-ingress"}, nil, false, []string{"--ingress-subnet NETWORK"}},
		{"the engine does not say", docker.IngressState{Name: "teal-ingress"}, errors.New("gone"), false, []string{"gone"}},
		{"two of them", there(func(s *docker.IngressState) { s.Doubles = []string{"abc"} }), nil, false, []string{"2 of this name", "docker network rm abc"}},
		{"a stranger's", there(func(s *docker.IngressState) { s.Fault = "it is not Teal's" }), nil, false, []string{"not Teal's", "docker network rm teal-ingress"}},
		{
			"in the way of a VPN", there(func(s *docker.IngressState) { s.Clashes = []string{"a", "b"} }), nil, false,
			[]string{"172.30.0.0/16 overlaps a, b", "teal down, and teal run --ingress-subnet"},
		},
		{
			"configured otherwise since", there(func(s *docker.IngressState) { s.Wanted = netip.MustParsePrefix("10.9.0.0/16") }), nil, false,
			[]string{"172.30.0.0/16, while --ingress-subnet is 10.9.0.0/16", "leave --ingress-subnet out"},
		},
		{"nearly full", there(func(s *docker.IngressState) { s.Free = 6553 }), nil, false, []string{"only 6553 of 65533"}},
		{"full", there(func(s *docker.IngressState) { s.Size, s.Free = 5, 0 }), nil, false, []string{"only 0 of 5"}},
		{"small", there(func(s *docker.IngressState) { s.Size, s.Free = 5, 1 }), nil, true, nil},
	} {
		found := Ingress(t.Context(), func(context.Context) (docker.IngressState, error) { return c.state, c.err })
		text := Text([]Finding{found}, false)
		for _, w := range c.words {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in %s", c.name, w, text)
			}
		}
		if found.OK != c.ok || !found.OK && found.Hint == "" {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
}
