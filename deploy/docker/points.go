package docker

import (
	"context"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pointed tells of every effect on the engine, before it is asked for and after
// the answer: each method that changes something is here, and nothing else.
type pointed struct {
	dockerAPI
	point func(name string)
}

// withPoints returns opened as it is if nobody wants to be told.
func withPoints(opened dockerAPI, point func(name string)) dockerAPI {
	if point == nil {
		return opened
	}
	return &pointed{opened, point}
}

// effect is called first, and what it returns when the answer is there.
func (p *pointed) effect(method string) (after func()) {
	name := "docker." + method
	p.point(name + "/before")
	return func() { p.point(name + "/after") }
}

func (p *pointed) ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, networks *network.NetworkingConfig, platform *ocispec.Platform, name string) (container.CreateResponse, error) {
	defer p.effect("ContainerCreate")()
	return p.dockerAPI.ContainerCreate(ctx, config, host, networks, platform, name)
}

func (p *pointed) ContainerStart(ctx context.Context, id string, options container.StartOptions) error {
	defer p.effect("ContainerStart")()
	return p.dockerAPI.ContainerStart(ctx, id, options)
}

func (p *pointed) ContainerUnpause(ctx context.Context, id string) error {
	defer p.effect("ContainerUnpause")()
	return p.dockerAPI.ContainerUnpause(ctx, id)
}

func (p *pointed) ContainerStop(ctx context.Context, id string, options container.StopOptions) error {
	defer p.effect("ContainerStop")()
	return p.dockerAPI.ContainerStop(ctx, id, options)
}

func (p *pointed) ContainerKill(ctx context.Context, id, signal string) error {
	defer p.effect("ContainerKill")()
	return p.dockerAPI.ContainerKill(ctx, id, signal)
}

func (p *pointed) ContainerRemove(ctx context.Context, id string, options container.RemoveOptions) error {
	defer p.effect("ContainerRemove")()
	return p.dockerAPI.ContainerRemove(ctx, id, options)
}

func (p *pointed) ContainerExecCreate(ctx context.Context, id string, options container.ExecOptions) (container.ExecCreateResponse, error) {
	defer p.effect("ContainerExecCreate")()
	return p.dockerAPI.ContainerExecCreate(ctx, id, options)
}

// ContainerExecAttach starts the program; it runs when the answer is there.
func (p *pointed) ContainerExecAttach(ctx context.Context, exec string, options container.ExecAttachOptions) (types.HijackedResponse, error) {
	defer p.effect("ContainerExecAttach")()
	return p.dockerAPI.ContainerExecAttach(ctx, exec, options)
}

func (p *pointed) CopyToContainer(ctx context.Context, id, folder string, archive io.Reader, options container.CopyToContainerOptions) error {
	defer p.effect("CopyToContainer")()
	return p.dockerAPI.CopyToContainer(ctx, id, folder, archive, options)
}

func (p *pointed) ImagePull(ctx context.Context, ref string, options image.PullOptions) (io.ReadCloser, error) {
	after := p.effect("ImagePull")
	return p.stream("ImagePull", after)(p.dockerAPI.ImagePull(ctx, ref, options))
}

func (p *pointed) ImageTag(ctx context.Context, source, target string) error {
	defer p.effect("ImageTag")()
	return p.dockerAPI.ImageTag(ctx, source, target)
}

func (p *pointed) ImageImport(ctx context.Context, source image.ImportSource, ref string, options image.ImportOptions) (io.ReadCloser, error) {
	after := p.effect("ImageImport")
	return p.stream("ImageImport", after)(p.dockerAPI.ImageImport(ctx, source, ref, options))
}

func (p *pointed) ImageRemove(ctx context.Context, id string, options image.RemoveOptions) ([]image.DeleteResponse, error) {
	defer p.effect("ImageRemove")()
	return p.dockerAPI.ImageRemove(ctx, id, options)
}

func (p *pointed) NetworkCreate(ctx context.Context, name string, options network.CreateOptions) (network.CreateResponse, error) {
	defer p.effect("NetworkCreate")()
	return p.dockerAPI.NetworkCreate(ctx, name, options)
}

func (p *pointed) NetworkConnect(ctx context.Context, id, container string, config *network.EndpointSettings) error {
	defer p.effect("NetworkConnect")()
	return p.dockerAPI.NetworkConnect(ctx, id, container, config)
}

func (p *pointed) NetworkRemove(ctx context.Context, id string) error {
	defer p.effect("NetworkRemove")()
	return p.dockerAPI.NetworkRemove(ctx, id)
}

func (p *pointed) VolumeCreate(ctx context.Context, options volume.CreateOptions) (volume.Volume, error) {
	defer p.effect("VolumeCreate")()
	return p.dockerAPI.VolumeCreate(ctx, options)
}

func (p *pointed) VolumeRemove(ctx context.Context, name string, force bool) error {
	defer p.effect("VolumeRemove")()
	return p.dockerAPI.VolumeRemove(ctx, name, force)
}

// stream is for effects that go on while their answer is read: there is a point
// in between, and the last one is where the answer is closed.
func (p *pointed) stream(method string, after func()) func(io.ReadCloser, error) (io.ReadCloser, error) {
	return func(answer io.ReadCloser, err error) (io.ReadCloser, error) {
		p.point("docker." + method + "/during")
		if err != nil {
			after()
			return answer, err
		}
		return &pointedStream{answer, after}, nil
	}
}

type pointedStream struct {
	io.ReadCloser
	after func()
}

func (s *pointedStream) Close() error {
	err := s.ReadCloser.Close()
	if s.after != nil {
		s.after()
		s.after = nil
	}
	return err
}
