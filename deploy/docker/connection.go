package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerAPI is all that Teal uses of the client, so that its successor has one
// place to be fitted in.
type dockerAPI interface {
	Close() error
	NegotiateAPIVersionPing(ping types.Ping)
	Ping(ctx context.Context) (types.Ping, error)
	ServerVersion(ctx context.Context) (types.Version, error)
	Info(ctx context.Context) (system.Info, error)
	ClientVersion() string
	DaemonHost() string
	Events(ctx context.Context, options events.ListOptions) (<-chan events.Message, <-chan error)

	ContainerList(ctx context.Context, options container.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, networks *network.NetworkingConfig, platform *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerStart(ctx context.Context, id string, options container.StartOptions) error
	ContainerUnpause(ctx context.Context, id string) error
	ContainerKill(ctx context.Context, id, signal string) error
	ContainerStop(ctx context.Context, id string, options container.StopOptions) error
	ContainerRemove(ctx context.Context, id string, options container.RemoveOptions) error
	ContainerLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
	ContainerExecCreate(ctx context.Context, id string, options container.ExecOptions) (container.ExecCreateResponse, error)
	ContainerExecAttach(ctx context.Context, exec string, options container.ExecAttachOptions) (types.HijackedResponse, error)
	ContainerExecInspect(ctx context.Context, exec string) (container.ExecInspect, error)
	CopyToContainer(ctx context.Context, id, folder string, archive io.Reader, options container.CopyToContainerOptions) error
	CopyFromContainer(ctx context.Context, id, path string) (io.ReadCloser, container.PathStat, error)

	ImageInspect(ctx context.Context, id string, options ...client.ImageInspectOption) (image.InspectResponse, error)
	ImagePull(ctx context.Context, ref string, options image.PullOptions) (io.ReadCloser, error)
	ImageTag(ctx context.Context, source, target string) error
	ImageImport(ctx context.Context, source image.ImportSource, ref string, options image.ImportOptions) (io.ReadCloser, error)
	ImageList(ctx context.Context, options image.ListOptions) ([]image.Summary, error)
	ImageRemove(ctx context.Context, id string, options image.RemoveOptions) ([]image.DeleteResponse, error)
	DistributionInspect(ctx context.Context, ref, auth string) (registry.DistributionInspect, error)

	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Summary, error)
	NetworkInspect(ctx context.Context, id string, options network.InspectOptions) (network.Inspect, error)
	NetworkCreate(ctx context.Context, name string, options network.CreateOptions) (network.CreateResponse, error)
	NetworkConnect(ctx context.Context, id, container string, config *network.EndpointSettings) error
	NetworkRemove(ctx context.Context, id string) error

	VolumeInspect(ctx context.Context, name string) (volume.Volume, error)
	VolumeCreate(ctx context.Context, options volume.CreateOptions) (volume.Volume, error)
	VolumeList(ctx context.Context, options volume.ListOptions) (volume.ListResponse, error)
	VolumeRemove(ctx context.Context, name string, force bool) error
}

// connection hands out one client until it is reported lost. A client keeps the
// API version it negotiated first, and an engine may be another one after a
// restart, so a lost connection means a new client.
type connection struct {
	open    func() (dockerAPI, error)
	dialler *dialler // nil: the client dials by itself
	point   func(name string)
	mu      sync.Mutex
	current dockerAPI
	known   bool // the engine of current is new enough
}

// get returns the client, and whether its engine is known to be new enough.
func (c *connection) get() (opened dockerAPI, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		opened, err := c.open()
		if err != nil {
			return nil, false, err
		}
		c.current, c.known = withPoints(opened, c.point), false
	}
	return c.current, c.known, nil
}

// judged notes that the engine of used is new enough.
func (c *connection) judged(used dockerAPI) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = c.known || c.current == used
}

// lost makes the next get open a new client, unless somebody did so already.
func (c *connection) lost(used dockerAPI) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != used {
		return nil
	}
	c.current = nil
	return used.Close()
}

func (c *connection) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	used := c.current
	c.current = nil
	return used.Close()
}

func openClient(host string) (dockerAPI, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	opened, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	if strings.Contains(opened.DaemonHost(), "@") { // the client's errors would repeat it
		return nil, errors.Join(errors.New("open client: a user name or password does not belong in an engine's address; use certificates"), opened.Close())
	}
	return opened, nil
}

// do calls f with the present client and a time limit.
func (e *Engine) do(ctx context.Context, limit time.Duration, f func(context.Context, dockerAPI) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := e.client(ctx)
	if err != nil {
		return err
	}
	return e.noteLoss(a, f(ctx, a))
}

// noteLoss gives up a client whose connection is lost, as err may tell.
func (e *Engine) noteLoss(a dockerAPI, err error) error {
	if client.IsErrConnectionFailed(err) {
		if closing := e.conn.lost(a); closing != nil {
			e.log.Warn("closing a lost connection failed", keyError, closing)
		}
		err = e.conn.dialler.explain(err)
	}
	return err
}

// ask is do for calls that answer something.
func ask[T any](ctx context.Context, e *Engine, limit time.Duration, f func(context.Context, dockerAPI) (T, error)) (T, error) {
	var out T
	err := e.do(ctx, limit, func(ctx context.Context, a dockerAPI) error {
		var err error
		out, err = f(ctx, a)
		return err
	})
	return out, err
}

// inspect looks at one container, by name or id.
func (e *Engine) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	found, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (container.InspectResponse, error) {
		return a.ContainerInspect(ctx, id)
	})
	if err != nil {
		return found, fmt.Errorf("inspect %s: %w", id, err)
	}
	return found, nil
}
