package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/reconcile"
	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTCP(t *testing.T) {
	open := serve(t, func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]outcome{
		open: {passed, "tcp " + open + " → connected"},
		shut: {failed, "tcp " + shut + " → connection refused"},
		"":   {unknown, "tcp → no address yet"},
	} {
		if got := newTCPCheck(new(net.Dialer).DialContext, address).within(t.Context(), time.Second); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestAFaultOfOursIsNotTheContainers(t *testing.T) {
	for _, fault := range []error{syscall.EMFILE, syscall.EADDRNOTAVAIL} {
		dial := func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("connect: %w", fault)}
		}
		for _, c := range []check{newTCPCheck(dial, "10.0.0.2:80"), newHTTPCheck(dial, "10.0.0.2:80", spec.Health{Path: "/"})} {
			if out := c.within(t.Context(), time.Second); out.verdict != unknown || !strings.Contains(out.words, fault.Error()) {
				t.Errorf("%v: %v", fault, out)
			}
		}
	}
}

type engine func() (reconcile.EngineHealth, string, error)

func (e engine) Health(context.Context, string) (reconcile.EngineHealth, string, error) { return e() }

func TestDocker(t *testing.T) {
	cases := []struct {
		status reconcile.EngineHealth
		output string
		err    error
		want   outcome
	}{
		{reconcile.HealthHealthy, "fine", nil, outcome{passed, "docker → healthy"}},
		{reconcile.HealthStarting, "not yet", nil, outcome{starting, "docker → starting"}},
		{reconcile.HealthUnhealthy, "", nil, outcome{failed, "docker → unhealthy"}},
		{reconcile.HealthUnhealthy, "one\ntwo\x1b[31m\tthree\r\n \n", nil, outcome{failed, "docker → unhealthy: two [31m three"}},
		{reconcile.HealthUnhealthy, strings.Repeat("é", 300), nil, outcome{failed, "docker → unhealthy: " + strings.Repeat("é", 98) + "…"}},
		{reconcile.HealthNone, "", nil, outcome{failed, "docker → the container has no HEALTHCHECK"}},
		{"odd", "", nil, outcome{unknown, "docker → verdict odd is not known"}},
		{"", "", errors.New("no such container"), outcome{unknown, "docker → the engine did not answer: no such container"}},
	}
	for _, c := range cases {
		e := engine(func() (reconcile.EngineHealth, string, error) { return c.status, c.output, c.err })
		got := newDockerCheck(e, "id").within(t.Context(), time.Second)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.status, got, c.want)
		}
		if len(got.words) > maxWords+40 {
			t.Errorf("%d bytes of words", len(got.words))
		}
	}
	if out := newDockerCheck(nil, "id").within(t.Context(), time.Second); out.verdict != unknown {
		t.Errorf("without an engine: %v", out)
	}
}

// TestTheAddressIsProbedAsItIs: the port of the health settings is one inside the
// container, and may be reached elsewhere.
func TestTheAddressIsProbedAsItIs(t *testing.T) {
	asked := ""
	p := New(Options{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		asked = address
		return nil, errors.New("refused")
	}})
	for _, kind := range []spec.HealthKind{spec.HealthHTTP, spec.HealthTCP} {
		want := reconcile.ProbeTarget{Address: "10.0.0.2:20001", Health: spec.Health{Kind: kind, Port: 9090, Path: "/"}}
		if p.newCheck(want).within(t.Context(), time.Second); asked != want.Address {
			t.Errorf("%s: %q was asked", kind, asked)
		}
		asked = ""
	}
}
