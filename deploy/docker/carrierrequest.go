package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"teal/reconcile"
	"teal/spec"
)

// scratch is where the program may write what nobody keeps: buffered bodies.
// It is on the disk, in a volume that goes with the container.
const scratch = "/var/cache/nginx"

// carrierCapabilities are what a server that starts as root needs to give up
// root: its ports, its workers' user, signals to them, and their files.
var carrierCapabilities = []string{"NET_BIND_SERVICE", "SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE"}

// createCarrier takes a name that was taken meanwhile as done: the next look
// tells.
func (e *Engine) createCarrier(ctx context.Context, want CarrierSpec, name, mark string) error {
	img, err := e.resolve(ctx, want.Image, spec.PullMissing)
	if err != nil {
		return err
	}
	if err := e.pull(ctx, spec.Name{}, img); err != nil {
		return err
	}
	ref, err := engineRef(img)
	if err != nil {
		return err
	}
	if want.Source == "" {
		if err := e.carrierVolume(ctx, name); err != nil {
			return err
		}
	}
	config, host := e.carrierRequest(want, ref, name)
	config.Labels[labelProxy] = mark
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.ContainerCreate(ctx, config, host, nil, nil, name)
		return err
	})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return nil
}

// carrierRequest is the container in the engine's words. Its own file system
// cannot be written to.
func (e *Engine) carrierRequest(want CarrierSpec, ref, name string) (*container.Config, *container.HostConfig) {
	grace := want.grace()
	config := &container.Config{
		Image: ref, Entrypoint: want.Entrypoint, Cmd: want.Args, StopSignal: "SIGQUIT", StopTimeout: seconds(grace),
		Labels: map[string]string{
			spec.LabelController: e.controller, spec.LabelRole: spec.RoleProxy, labelImage: want.Image,
		},
	}
	folder := mount.Mount{Type: mount.TypeVolume, Source: name, Target: want.Folder}
	if want.Source != "" {
		folder = mount.Mount{Type: mount.TypeBind, Source: want.Source, Target: want.Folder}
	}
	mounts := []mount.Mount{folder, {Type: mount.TypeVolume, Target: scratch}}
	for _, target := range slices.Sorted(maps.Keys(want.Mounts)) {
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: want.Mounts[target], Target: target, ReadOnly: true})
	}
	host := &container.HostConfig{
		NetworkMode:    "host",
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		CapAdd:         carrierCapabilities,
		SecurityOpt:    []string{"no-new-privileges"},
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		Mounts:         mounts,
		Tmpfs:          map[string]string{"/run": "", "/tmp": ""},
	}
	return config, host
}

// carrierVolume makes the volume that the container's folder is kept in.
func (e *Engine) carrierVolume(ctx context.Context, name string) error {
	found, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (volume.Volume, error) {
		return a.VolumeInspect(ctx, name)
	})
	if err == nil {
		if found.Labels[spec.LabelController] != e.controller {
			return permanent(reconcile.ReasonNameTaken, "the volume %s is not this controller's; remove it with: docker volume rm %s", name, name)
		}
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("inspect volume %s: %w", name, err)
	}
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		_, err := a.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: map[string]string{
			spec.LabelController: e.controller, spec.LabelRole: spec.RoleProxy,
		}})
		return err
	})
	if err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	return nil
}

// fingerprint tells two wanted carriers apart, by all that a new container is
// needed for.
func (s CarrierSpec) fingerprint() (string, error) {
	if !path.IsAbs(s.Folder) || s.Kind == "" || s.Image == "" {
		return "", errors.New("a carrier needs a kind, an image and an absolute folder")
	}
	text, err := json.Marshal([]any{"v1", s.Kind, s.Image, s.Entrypoint, s.Args, s.Folder, s.Source, s.Mounts, s.grace()})
	if err != nil {
		return "", fmt.Errorf("fingerprint of the %s container: %w", s.Kind, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// portsFree looks whether addresses of this machine can be listened on: with
// host networking the engine does not, and the program would only exit.
func portsFree(ctx context.Context, addresses []string) error {
	for _, address := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			_, port, _ := net.SplitHostPort(address)
			return infra(reconcile.ReasonPortTaken, "the proxy cannot listen on %s: %v; find who does with: ss -ltnp sport = :%s", address, err, port)
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("probe %s: %w", address, err)
		}
	}
	return nil
}
