// Package contract is what every proxy driver must keep, as a test suite that
// runs against the real thing: real sockets, real backends on addresses of this
// machine.
//
// A driver's own test calls [Run] with a function that starts a fresh proxy.
// What a kind of proxy cannot do by its nature is switched off in [Features], by
// name; everything else is the contract.
package contract

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/reconcile"
	"teal/spec"
)

// Proxy is the interface under test, as the controller declares it.
type Proxy interface {
	Apply(ctx context.Context, table reconcile.Table) error
	Read(ctx context.Context) (reconcile.Snapshot, error)
}

// Driver is one running proxy and how to reach it.
type Driver struct {
	Proxy   Proxy
	Address string // host:port for clients, HTTP/1.1 without TLS
	// TLSAddress and Roots are for clients with TLS; empty: not tested.
	TLSAddress string
	Roots      *x509.CertPool
	// H2CAddress is for HTTP/2 clients without TLS; empty: Address serves them.
	H2CAddress string
	// Reloads tells how often the proxy has loaded a configuration; nil for one
	// that has none.
	Reloads func() int
	// BackendHost is the address backends listen on; empty: 127.0.0.1.
	BackendHost string
	// Restart ends the proxy and starts it again on the same state and addresses.
	// It returns when the proxy answers.
	Restart func(t *testing.T)
	// Damage ends the proxy, breaks its newest durable table (with all set: every
	// copy), and starts it again.
	Damage   func(t *testing.T, all bool)
	Features Features
	// Switches is how often the load tests switch; 0: 60. Weights is how often the
	// second of them changes weights; 0: 200.
	Switches, Weights int
	// Rate is the load of both, in requests per second; 0: 600.
	Rate int
}

// Features are what a kind of proxy can do.
type Features struct {
	Hold          bool // requests wait while no target answers
	HTTP2         bool // for clients: with TLS, and without by prior knowledge
	GRPC          bool // HTTP/2 without TLS to targets
	Interim       bool // 1xx answers and trailers are passed on
	FullDuplex    bool // an answer may begin before the request's body has ended
	UpgradedLimit bool // upgraded connections end at their drain limit
	Damage        bool // a damaged table is reported
	Strict        bool // tables are validated, and stale ones refused
	// NamedHops: a header that Connection names stops here. A proxy whose headers
	// are configuration cannot know such names.
	NamedHops bool
	// Expect: a client that waits for a word before it sends its body waits for the
	// app's, not the proxy's.
	Expect bool
	// EarlyHead: the head of an answer reaches a gRPC client before anything was
	// said either way. nginx keeps it back over TLS until there is a message.
	EarlyHead bool
	// BrokenChunked: an answer without a length that the app ends early counts as
	// its failure. A proxy known by its log cannot tell it from a client that left.
	BrokenChunked bool
}

// All is a proxy that lacks nothing.
var All = Features{
	Hold: true, HTTP2: true, GRPC: true, Interim: true, FullDuplex: true,
	UpgradedLimit: true, Damage: true, Strict: true,
	NamedHops: true, Expect: true, EarlyHead: true, BrokenChunked: true,
}

// Run runs the suite. start is called once per test and must register its own
// clean-up.
func Run(t *testing.T, start func(t *testing.T) *Driver) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			t.Run("run", func(t *testing.T) {
				d := start(t)
				if c.needs != nil && !c.needs(d) {
					t.Skip("not a feature of this proxy")
				}
				c.run(t, newEnv(t, d))
			})
		})
	}
}

type testCase struct {
	name  string
	needs func(*Driver) bool
	run   func(*testing.T, *env)
}

var cases = []testCase{
	{"nothing is served before the first table", nil, testEmpty},
	{"hosts and paths lead to their apps", nil, testMatching},
	{"a table is read back as it was applied", nil, testReadBack},
	{"stale and invalid tables are refused", strict, testRefused},
	{"a switch takes the very next request", nil, testSwitch},
	{"weights 0 and 100 are exact", nil, testWholeWeights},
	{"weights share the traffic", nil, testSharedWeights},
	{"replicas share the traffic", nil, testReplicas},
	{"a preview host leads to the preview colour", nil, testPreviewHost},
	{"a preview token leads to the preview colour", nil, testPreviewToken},
	{"a preview from the own host needs no token", nil, testPreviewOwnHost},
	{"requests are counted while in flight and after", nil, testCounts},
	{"previews are no traffic", nil, testPreviewCounts},
	{"a request that left nothing behind goes elsewhere", nil, testRetryUnsent},
	{"a POST is never sent twice", nil, testNoReplay},
	{"a POST is not sent twice on a kept connection either", nil, testNoReplayOnKept},
	{"a kept connection closed by the app loses no POST", nil, testKeptConnections},
	{"a broken answer never looks complete", nil, testBrokenAnswer},
	{"a client that goes away ends its request", nil, testClientGone},
	{"requests wait for a target", hold, testHold},
	{"waiting ends at its limit", hold, testHoldLimit},
	{"events arrive at once", nil, testEvents},
	{"large bodies pass through", nil, testLargeBodies},
	{"answers begin before bodies end", func(d *Driver) bool { return d.Features.FullDuplex }, testDuplex},
	{"trailers and 1xx answers pass", func(d *Driver) bool { return d.Features.Interim }, testInterim},
	{"a body that nobody wants is not sent", func(d *Driver) bool { return d.Features.Expect }, testExpect},
	{"websockets pass", nil, testWebSocket},
	{"upgraded connections live until their limit", func(d *Driver) bool { return d.Features.UpgradedLimit }, testUpgradedLimit},
	{"HTTP/2 clients are served", http2, testHTTP2},
	{"gRPC passes over HTTP/2", func(d *Driver) bool { return d.Features.GRPC }, testGRPC},
	{"forwarding headers are the proxy's own", nil, testForwarded},
	{"hop-by-hop headers stop here", nil, testHopByHop},
	{"ambiguous requests are refused or made plain", nil, testSmuggling},
	{"no request hides in another", nil, testAttacks},
	{"no trick leads past a route", nil, testTricks},
	{"huge heads reach no app", nil, testHugeHeads},
	{"large bodies are refused", nil, testBodyLimit},
	{"large heads are refused", nil, testHeaderLimit},
	{"a slow app is not waited for", nil, testTimeout},
	{"a restart keeps the table", func(d *Driver) bool { return d.Restart != nil }, testRestart},
	{"a damaged table is reported and survived", damage, testDamage},
	{"a table without any good copy serves nothing", damage, testDamageAll},
	{"switches under load lose nothing", nil, testLoad},
	{"switches and weights need no reload", func(d *Driver) bool { return d.Reloads != nil }, testNoReload},
}

func strict(d *Driver) bool { return d.Features.Strict }
func hold(d *Driver) bool   { return d.Features.Hold }
func http2(d *Driver) bool  { return d.Features.HTTP2 && d.TLSAddress != "" }
func damage(d *Driver) bool { return d.Features.Damage && d.Damage != nil }

// env is one test's proxy and what it has been told.
type env struct {
	*Driver
	t   *testing.T
	seq uint64
}

func newEnv(t *testing.T, d *Driver) *env {
	if d.BackendHost == "" {
		d.BackendHost = "127.0.0.1"
	}
	if d.Switches == 0 {
		d.Switches = 60
	}
	if d.Rate == 0 {
		d.Rate = 600
	}
	if d.Weights == 0 {
		d.Weights = 200
	}
	return &env{Driver: d, t: t}
}

// apply makes the proxy serve routes and checks that it does.
func (e *env) apply(routes ...reconcile.Route) {
	e.t.Helper()
	e.seq++
	if err := e.Proxy.Apply(e.t.Context(), reconcile.Table{Seq: e.seq, Routes: routes}); err != nil {
		e.t.Fatalf("apply table %d: %v", e.seq, err)
	}
	if got := e.read().Table.Seq; got != e.seq {
		e.t.Fatalf("read back: table %d is served, not %d", got, e.seq)
	}
}

func (e *env) read() reconcile.Snapshot {
	e.t.Helper()
	s, err := e.Proxy.Read(e.t.Context())
	if err != nil {
		e.t.Fatalf("read back: %v", err)
	}
	return s
}

// traffic is what the proxy counted for a backend of the app.
func (e *env) traffic(app spec.Name, revision string) reconcile.Traffic {
	e.t.Helper()
	for _, tr := range e.read().Served(app).Traffic {
		if tr.Revision == revision {
			return tr
		}
	}
	return reconcile.Traffic{}
}

// eventually waits for ok, at most ten seconds.
func (e *env) eventually(what string, ok func() bool) {
	e.t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-limit.C:
			e.t.Fatalf("after 10 s still not: %s", what)
		}
	}
}

// app is the name most tests use.
var app = spec.Name{Project: "shop", Service: "web"}

// routeTo builds a route for every host and path: all the weight on the first
// backend.
func routeTo(backends ...reconcile.Backend) reconcile.Route {
	for i := range backends {
		backends[i].Weight = 0
	}
	backends[0].Weight = 100
	return weighted(backends...)
}

// weighted builds a route for every host and path with weights as they are.
func weighted(backends ...reconcile.Backend) reconcile.Route {
	r := reconcile.Route{
		App: app, Host: "*", Path: "/", Backends: backends,
		Drain: spec.Drain{Requests: spec.Duration(30 * time.Second), Upgraded: spec.Duration(30 * time.Second)},
	}
	if len(r.Backends) == 2 && r.Backends[0].Colour > r.Backends[1].Colour {
		r.Backends[0], r.Backends[1] = r.Backends[1], r.Backends[0]
	}
	return r
}

// on places servers as the replicas of one revision on a colour.
func on(colour spec.Colour, revision string, servers ...*server) reconcile.Backend {
	b := reconcile.Backend{Colour: colour, Revision: revision}
	for _, s := range servers {
		b.Targets = append(b.Targets, s.address)
	}
	return b
}
