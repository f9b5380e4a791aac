package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"teal/reconcile"
	"teal/spec"
)

// Options configure an Engine. The zero value of every field but ControllerID
// has a meaning.
type Options struct {
	// Host is the engine's address (unix:///…, tcp://…). Empty: what the
	// environment says (DOCKER_HOST and its companions), else the local socket.
	Host string
	// Dial opens each connection to the engine. Host is then only its name in
	// errors, and the environment has no say. nil: what Host says.
	Dial DialFunc
	// Name is the host's name, which containers, errors and log lines carry.
	// Empty: the only host, which needs none.
	Name string
	// Address is the address of the host, one of its own, on which replicas of
	// routed apps publish a port and the proxy reaches them. Empty: the proxy is on
	// the same host and reaches them on the ingress network.
	Address string
	// Ports are the ports of Address that are given out, if an app does not name
	// its own (spec.Container.Publish). The zero value means DefaultPorts.
	Ports spec.PortRange
	// ControllerID marks what is ours. Two controllers of one engine need two.
	ControllerID string
	Ingress      Ingress
	// Auth gives the credentials of registries. nil: the Docker configuration of
	// the user Teal runs as, credential helpers included.
	Auth authn.Keychain
	// Logins are credentials that win over Auth for their registries.
	Logins []Login
	// Policy returns what a project may ask of the host; it is checked on the
	// final request. nil: the zero policy, which gives nothing of the host.
	Policy   func(project string) spec.Policy
	Limits   Limits
	Logger   *slog.Logger
	Progress func(app spec.Name, text string) // how far a pull has come; may be nil
	// Pulling is told before an image is fetched for an app; its error keeps that
	// from happening. nil: nobody is told.
	Pulling func(reconcile.PulledImage) error
	// Reserve is what a pull must leave free where the engine keeps its images.
	Reserve Reserve
	// Space asks for the free space of a folder of the engine's machine. nil:
	// nobody can be asked, and Reserve has no effect.
	Space func(ctx context.Context, folder string) (Space, error)
	// Point is called before and after every effect on the engine, with the
	// effect's name. It is for tests that end the process there; nil: nobody is told.
	Point func(name string)
}

// DefaultPorts are given out where nothing else is configured. They lie below
// what Linux takes for outgoing connections.
var DefaultPorts = spec.PortRange{From: 20000, To: 29999}

// Ingress is the network on which the proxy reaches the replicas of routed apps.
type Ingress struct {
	Name string // default "teal-ingress"
	// Subnet is IPv4 in CIDR form. Empty: the first of a list that nothing else
	// uses. It only matters when the network is made.
	Subnet string
}

// Limits bound every wait. Zero fields get the defaults of DefaultLimits.
type Limits struct {
	Call     time.Duration // one question, or one quick effect
	Change   time.Duration // create, start, connect: may touch disks and networks
	Stop     time.Duration // to stop, on top of the grace period
	Gone     time.Duration // for a removal to end
	Registry time.Duration // for one question to a registry
	Stall    time.Duration // a pull without a byte of progress
	Build    time.Duration // to make the proxy's image
}

// DefaultLimits are used for limits that are not set.
var DefaultLimits = Limits{
	Call:     30 * time.Second,
	Change:   2 * time.Minute,
	Stop:     30 * time.Second,
	Gone:     time.Minute,
	Registry: 30 * time.Second,
	Stall:    2 * time.Minute,
	Build:    5 * time.Minute,
}

// Scaled returns limits of which one question takes call, and everything else as
// much more or less than by default.
func (l Limits) Scaled(call time.Duration) Limits {
	l = l.orDefaults()
	by := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * float64(call) / float64(l.Call))
	}
	return Limits{
		Call: call, Change: by(l.Change), Stop: by(l.Stop), Gone: by(l.Gone),
		Registry: by(l.Registry), Stall: by(l.Stall), Build: by(l.Build),
	}
}

func (l Limits) orDefaults() Limits {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	or(&l.Call, DefaultLimits.Call)
	or(&l.Change, DefaultLimits.Change)
	or(&l.Stop, DefaultLimits.Stop)
	or(&l.Gone, DefaultLimits.Gone)
	or(&l.Registry, DefaultLimits.Registry)
	or(&l.Stall, DefaultLimits.Stall)
	or(&l.Build, DefaultLimits.Build)
	return l
}

// Engine is one Docker Engine. Its methods may be called at once.
type Engine struct {
	name       string
	publishOn  string // Options.Address
	ports      spec.PortRange
	controller string
	ingress    Ingress
	auth       authn.Keychain
	policy     func(project string) spec.Policy
	limits     Limits
	log        *slog.Logger
	progress   func(spec.Name, string)
	pulling    func(reconcile.PulledImage) error
	reserve    Reserve
	space      func(context.Context, string) (Space, error)
	conn       connection
	namesakes  namesakes

	networks sync.Mutex // held while a network is looked for and made
	slots    sync.Mutex // held while an address or a port is chosen and taken

	warned struct {
		sync.Mutex
		ids map[string]bool
	}
}

// New returns an Engine. It does not connect: the first call does.
func New(opts Options) (*Engine, error) {
	if opts.ControllerID == "" {
		return nil, errors.New("docker: options name no controller id")
	}
	e := &Engine{
		name:       opts.Name,
		controller: opts.ControllerID,
		ingress:    opts.Ingress,
		auth:       opts.Auth,
		policy:     opts.Policy,
		limits:     opts.Limits.orDefaults(),
		log:        opts.Logger,
		progress:   opts.Progress,
		pulling:    opts.Pulling,
		reserve:    opts.Reserve,
		space:      opts.Space,
	}
	var err error
	if e.publishOn, e.ports, err = publishing(opts.Address, opts.Ports); err != nil {
		return nil, fmt.Errorf("docker: %w", e.onHost(err))
	}
	if e.ingress.Name == "" {
		e.ingress.Name = "teal-ingress"
	}
	if e.auth == nil {
		e.auth = authn.DefaultKeychain
	}
	if len(opts.Logins) > 0 {
		e.auth = logins{list: opts.Logins, host: opts.Name, next: e.auth}
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.name != "" {
		e.log = e.log.With(keyHost, e.name)
	}
	if e.policy == nil {
		e.policy = func(string) spec.Policy { return spec.Policy{} }
	}
	if e.progress == nil {
		e.progress = func(spec.Name, string) {}
	}
	e.conn.open = func() (dockerAPI, error) { return openClient(opts.Host) }
	if opts.Dial != nil {
		e.conn.dialler = &dialler{dial: opts.Dial}
		e.conn.open = func() (dockerAPI, error) { return openDialled(opts.Host, e.conn.dialler.open) }
	}
	e.conn.point = opts.Point
	e.warned.ids = map[string]bool{}
	if _, _, err := e.conn.get(); err != nil {
		return nil, fmt.Errorf("docker: %w", e.onHost(err))
	}
	return e, nil
}

// Close gives up the connection.
func (e *Engine) Close() error { return e.conn.close() }

// Ping asks the engine whether it answers.
func (e *Engine) Ping(ctx context.Context) error {
	return e.onHost(e.do(ctx, e.limits.Call, func(ctx context.Context, a dockerAPI) error {
		_, err := a.Ping(ctx)
		return err
	}))
}

// warnOnce logs a warning about a container the first time only.
func (e *Engine) warnOnce(id, name string, err error) {
	e.warned.Lock()
	defer e.warned.Unlock()
	if e.warned.ids[id] {
		return
	}
	e.warned.ids[id] = true
	e.log.Warn("container with wrong labels was ignored", keyContainer, name, keyError, err)
}

// Keys of log attributes.
const (
	keyHost      = "host"
	keyPort      = "port"
	keyOwner     = "owner"
	keyContainer = "container"
	keyNetwork   = "network"
	keyAddress   = "address"
	keyImage     = "image"
	keyError     = "error"
)
