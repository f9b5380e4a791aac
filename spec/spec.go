// Package spec says what is wanted: the desired state of a project, read from
// Compose files with an x-teal block, its validation, its defaults and its
// identity (revision hashes, names and labels).
//
// It promises that a [Project] it returns is complete: every default is filled
// in, every env file is read, every name is resolved, and nothing the files ask
// for has been dropped. What Teal cannot honour is an error that names file,
// line and key. The package imports no other package of Teal and reads neither
// clock nor environment.
package spec

import (
	"path/filepath"
	"time"
)

// Colour is one of an app's two slots.
type Colour string

// The two colours. The empty colour belongs to dependencies, which have no
// second slot.
const (
	Blue  Colour = "blue"
	Green Colour = "green"
)

// Other returns the opposite slot.
func (c Colour) Other() Colour {
	switch c {
	case Blue:
		return Green
	case Green:
		return Blue
	}
	return c
}

// Name addresses one service of one project.
type Name struct {
	Project string `json:"project"`
	Service string `json:"service"`
}

// String returns "project/service".
func (n Name) String() string { return n.Project + "/" + n.Service }

// Project is the desired state of one Compose project.
type Project struct {
	Name     string    `json:"name"`
	Services []Service `json:"services"` // sorted by name
	Source   Source    `json:"source"`
}

// Source says where a project was read from, for people.
type Source struct {
	Files []string `json:"files,omitempty"`
	// Inputs are all files that were read, env files and included ones too:
	// what a watcher must look at.
	Inputs []string `json:"inputs,omitempty"`
	// Origin is the commit that the files are of; nil: of none.
	Origin *Origin `json:"origin,omitempty"`
}

// Dir is the folder of the first file, which relative paths began at; empty if
// no file is named.
func (s Source) Dir() string {
	if len(s.Files) == 0 {
		return ""
	}
	return filepath.Dir(s.Files[0])
}

// Service is the desired state of one service: an app when Rollout is set, a
// dependency otherwise.
type Service struct {
	Name       Name         `json:"name"`
	Container  Container    `json:"container"`
	Replicas   int          `json:"replicas"`
	DependsOn  []Dependency `json:"depends_on,omitempty"`
	PullPolicy PullPolicy   `json:"pull_policy"`
	// Job: another service awaits its successful end, so it is up when it is done.
	Job bool `json:"job,omitempty"`
	// Hosts are the names of the hosts that replicas are placed on: replica n on
	// the n-th, beginning anew after the last. Empty: the controller's first host.
	Hosts []string `json:"hosts,omitempty"`
	// Adopt names containers that Teal did not make and that serve until the
	// first rollout has replaced them.
	Adopt []Adopted `json:"adopt,omitempty"`
	// FileImage is the image that the file names, when its image policy put a
	// newer one in its place; empty: none did.
	FileImage string `json:"file_image,omitempty"`
	// Calendars say when a new rollout may begin: when all of them let it.
	Calendars []Calendar `json:"calendars,omitempty"`
	Rollout   *Rollout   `json:"rollout,omitempty"`
}

// Adopted is a container that was there before Teal. It is never started,
// changed or removed; of an app, it is stopped once its traffic has moved and
// its window as standby is over.
type Adopted struct {
	Colour    Colour `json:"colour,omitempty"`  // empty: of a dependency
	Host      string `json:"host,omitempty"`    // empty: the controller's first host
	Container string `json:"container"`         // its name
	Address   string `json:"address,omitempty"` // host:port that the proxy reaches it at; apps only
}

// Publish says which ports of a host the two colours take where the proxy is on
// another host. On each host, replicas take the ports of their colour's range in
// order.
type Publish struct {
	Blue  PortRange `json:"blue"`
	Green PortRange `json:"green"`
}

// Of returns the range of a colour.
func (p Publish) Of(c Colour) PortRange {
	if c == Green {
		return p.Green
	}
	return p.Blue
}

// PortRange is an inclusive range of ports.
type PortRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// PullPolicy says when a registry is asked for an image.
type PullPolicy string

// Pull policies. Missing is the default.
const (
	PullMissing PullPolicy = "missing" // a local image wins; the registry is asked when there is none
	PullAlways  PullPolicy = "always"  // the registry is asked once per generation
	PullNever   PullPolicy = "never"   // only local images
)

// Dependency is one entry of depends_on.
type Dependency struct {
	Service   string    `json:"service"`
	Condition Condition `json:"condition"`
}

// Condition is what a dependency must have reached.
type Condition string

// Conditions of depends_on, in Compose's words.
const (
	Started   Condition = "service_started"
	Healthy   Condition = "service_healthy"
	Completed Condition = "service_completed_successfully"
)

// Container holds every setting whose change needs a new container. All of it
// goes into the revision hash (see [RevisionID]).
type Container struct {
	Image           string            `json:"image"` // normalised reference, as wanted
	Command         []string          `json:"command,omitempty"`
	Entrypoint      []string          `json:"entrypoint,omitempty"`
	Environment     map[string]string `json:"environment,omitempty"` // env files merged in
	User            string            `json:"user,omitempty"`
	WorkingDir      string            `json:"working_dir,omitempty"`
	Hostname        string            `json:"hostname,omitempty"`
	Init            *bool             `json:"init,omitempty"`
	TTY             bool              `json:"tty,omitempty"`
	ReadOnly        bool              `json:"read_only,omitempty"`
	CapAdd          []string          `json:"cap_add,omitempty"`
	CapDrop         []string          `json:"cap_drop,omitempty"`
	SecurityOpt     []string          `json:"security_opt,omitempty"`
	ExtraHosts      []string          `json:"extra_hosts,omitempty"` // "host:address"
	ShmSize         int64             `json:"shm_size,omitempty"`    // bytes
	Ulimits         []Ulimit          `json:"ulimits,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	StopSignal      string            `json:"stop_signal,omitempty"`
	StopGracePeriod Duration          `json:"stop_grace_period"`
	Restart         string            `json:"restart"` // no, always, unless-stopped, on-failure[:n]
	Mounts          []Mount           `json:"mounts,omitempty"`
	Secrets         []Secret          `json:"secrets,omitempty"` // sorted by target
	Networks        []Network         `json:"networks,omitempty"`
	Ports           []Port            `json:"ports,omitempty"` // dependencies only
	// Publish sets the host's ports of an app on hosts apart from the proxy. nil:
	// a free one of the range that the host is configured with.
	Publish     *Publish     `json:"publish,omitempty"`
	Healthcheck *Healthcheck `json:"healthcheck,omitempty"`
	Logging     *Logging     `json:"logging,omitempty"`
	Resources   Resources    `json:"resources"`
}

// Ulimit is one resource limit of the container's processes.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// MountType is the kind of a mount.
type MountType string

// Kinds of mounts.
const (
	MountVolume MountType = "volume"
	MountBind   MountType = "bind"
	MountTmpfs  MountType = "tmpfs"
)

// Mount is one entry of a service's volumes.
type Mount struct {
	Type     MountType `json:"type"`
	Source   string    `json:"source,omitempty"` // engine name of the volume (empty: anonymous), or absolute path
	Target   string    `json:"target"`
	ReadOnly bool      `json:"read_only,omitempty"`
	NoCopy   bool      `json:"no_copy,omitempty"`
	// CreateHostPath creates a missing bind source, as Compose's short syntax does.
	CreateHostPath bool   `json:"create_host_path,omitempty"`
	TmpfsSize      int64  `json:"tmpfs_size,omitempty"` // bytes
	TmpfsMode      uint32 `json:"tmpfs_mode,omitempty"`
	// Volume is how a named volume is made when it is missing.
	Volume *Volume `json:"volume,omitempty"`
}

// Secret is a file that is put into a container before it starts for the first
// time.
type Secret struct {
	Target  string `json:"target"` // absolute path
	UID     int    `json:"uid,omitempty"`
	GID     int    `json:"gid,omitempty"`
	Mode    uint32 `json:"mode"`
	Content Blob   `json:"content,omitempty"`
}

// Volume is a named volume of the project.
type Volume struct {
	Name       string            `json:"name"` // engine name, project prefix included
	External   bool              `json:"external,omitempty"`
	Driver     string            `json:"driver,omitempty"`
	DriverOpts map[string]string `json:"driver_opts,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Network attaches a container to one network of the project.
type Network struct {
	Name       string            `json:"name"` // engine name, project prefix included
	Aliases    []string          `json:"aliases,omitempty"`
	External   bool              `json:"external,omitempty"`
	Driver     string            `json:"driver,omitempty"`
	DriverOpts map[string]string `json:"driver_opts,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Internal   bool              `json:"internal,omitempty"`
	Subnets    []string          `json:"subnets,omitempty"` // CIDR
}

// Port is one published port of a dependency.
type Port struct {
	HostIP    string `json:"host_ip,omitempty"`
	Published string `json:"published,omitempty"` // port or range; empty: the engine chooses
	Target    int    `json:"target"`
	Protocol  string `json:"protocol"` // tcp or udp
}

// Healthcheck is the engine's own check, as Compose's healthcheck.
type Healthcheck struct {
	Test        []string `json:"test,omitempty"` // as the Engine API has it: CMD…, CMD-SHELL…, or NONE
	Interval    Duration `json:"interval,omitempty"`
	Timeout     Duration `json:"timeout,omitempty"`
	StartPeriod Duration `json:"start_period,omitempty"`
	Retries     int      `json:"retries,omitempty"`
}

// Logging is the engine's log driver.
type Logging struct {
	Driver  string            `json:"driver,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// Resources are limits (deploy.resources.limits).
type Resources struct {
	NanoCPUs int64 `json:"nano_cpus,omitempty"` // 1e9 is one core
	Memory   int64 `json:"memory,omitempty"`    // bytes
	Pids     int64 `json:"pids,omitempty"`
}

// Active says which colour must be live.
type Active string

// Values of x-teal.active.
const (
	ActiveAuto  Active = "auto"
	ActiveBlue  Active = "blue"
	ActiveGreen Active = "green"
)

// Colour returns the named colour and true, or false for auto.
func (a Active) Colour() (Colour, bool) {
	switch a {
	case ActiveBlue:
		return Blue, true
	case ActiveGreen:
		return Green, true
	case ActiveAuto:
	}
	return "", false
}

// Strategy is how a new revision becomes stable.
type Strategy string

// BlueGreen is the strategy of apps.
const BlueGreen Strategy = "blue-green"

// Rollout is the x-teal block of an app, but for its publish, which is part of
// the container. None of it but Route.Port goes into the revision hash.
type Rollout struct {
	Active    Active    `json:"active"`
	Strategy  Strategy  `json:"strategy"`
	Promotion Promotion `json:"promotion"`
	Route     Route     `json:"route"`
	Health    Health    `json:"health"`
	Test      *Test     `json:"test,omitempty"`
	Drain     Drain     `json:"drain"`
	Bake      Bake      `json:"bake"`
	Standby   Standby   `json:"standby"`
	Retry     string    `json:"retry,omitempty"`
	// ImagePolicy asks for newer images than the file's; nil: that is it.
	ImagePolicy *ImagePolicy `json:"image_policy,omitempty"`
}

// PromotionMode is how the gate in front of the switch opens.
type PromotionMode string

// Values of x-teal.promotion.
const (
	PromotionAuto   PromotionMode = "auto"
	PromotionManual PromotionMode = "manual"
	PromotionAfter  PromotionMode = "after"
)

// OnTimeout is what a gate does when nobody came.
type OnTimeout string

// Values of x-teal.promotion.on_timeout.
const (
	TimeoutAbort   OnTimeout = "abort"
	TimeoutPromote OnTimeout = "promote"
)

// Promotion is the gate in front of the switch.
type Promotion struct {
	Mode      PromotionMode `json:"mode"`
	After     Duration      `json:"after,omitempty"`      // mode after: opens by itself this long after staging
	Timeout   Duration      `json:"timeout,omitempty"`    // mode manual: how long the gate waits
	OnTimeout OnTimeout     `json:"on_timeout,omitempty"` // mode manual
}

// Route is what the proxy matches for an app.
type Route struct {
	Host string `json:"host"` // lower case; "*": every host
	Path string `json:"path"` // prefix on segment borders, "/" for all
	Port int    `json:"port"` // container port; part of the revision
	// Preview makes a staged candidate reachable before it is live.
	Preview Preview `json:"preview"`
	// Hold is how long a request may wait while no target answers. 0: not at all.
	Hold Duration `json:"hold"`
	// MaxBody limits a request body, in bytes. 0: no limit.
	MaxBody int64 `json:"max_body"`
	// Timeout is how long the app may take to its first response byte. 0: no limit.
	Timeout Duration `json:"timeout"`
}

// Preview says how a staged candidate may be looked at. Requests from the
// proxy's own host may always use the header "Teal-Preview: true".
type Preview struct {
	Host  string `json:"host,omitempty"`  // a host name that always leads to the candidate
	Token string `json:"token,omitempty"` // with it, "Teal-Preview: TOKEN" works from everywhere
}

// HealthKind is how an app is probed.
type HealthKind string

// Kinds of probes.
const (
	HealthHTTP   HealthKind = "http"
	HealthTCP    HealthKind = "tcp"
	HealthDocker HealthKind = "docker" // the container's own HEALTHCHECK
)

// Health says when a container is verified and when it is unhealthy.
type Health struct {
	Kind     HealthKind        `json:"kind"`
	Path     string            `json:"path,omitempty"`    // http: path and query
	Port     int               `json:"port"`              // http, tcp
	Host     string            `json:"host,omitempty"`    // http: Host header; empty: the address
	Headers  map[string]string `json:"headers,omitempty"` // http
	Statuses []StatusRange     `json:"statuses,omitempty"`
	Body     string            `json:"body,omitempty"` // http: regular expression (RE2) over the first 64 KiB

	Interval   Duration `json:"interval"`    // between probes while verifying
	Timeout    Duration `json:"timeout"`     // of one probe
	Successes  int      `json:"successes"`   // in a row, to be ready
	Failures   int      `json:"failures"`    // in a row, to be unhealthy once ready
	MinHealthy Duration `json:"min_healthy"` // must be healthy for this long without a break
	Deadline   Duration `json:"deadline"`    // from start to ready
	Restarts   int      `json:"restarts"`    // this many restarts while verifying are a crash loop
}

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Test is a one-shot container run against the staged colour.
type Test struct {
	Image       string            `json:"image,omitempty"` // empty: the candidate's own image
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment,omitempty"` // beside TEAL_URL, TEAL_COLOUR, TEAL_REVISION
	Timeout     Duration          `json:"timeout"`
}

// Drain limits how long the old colour may finish its work after a switch.
type Drain struct {
	Requests Duration `json:"requests"` // requests in flight
	Upgraded Duration `json:"upgraded"` // WebSockets and other upgraded connections
}

// Bake is the watch after the switch.
type Bake struct {
	For Duration `json:"for"`
	// MaxFailed is the share of failed requests (0 to 1) over which the bake
	// fails, once at least MinRequests were seen.
	MaxFailed   float64 `json:"max_failed"`
	MinRequests int     `json:"min_requests"`
}

// Standby is how long the old colour stays hot after a switch.
type Standby struct {
	For     Duration `json:"for"`
	Forever bool     `json:"forever,omitempty"` // until the next rollout
}

// Duration is a [time.Duration] that reads and prints as "1m30s" in JSON.
type Duration time.Duration

// D returns the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the form of [time.Duration.String].
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the form that [time.ParseDuration] reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}
