package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"teal/spec"
)

// secretsOf notes the secrets of a container. An engine writes nothing into one
// whose root is read-only, except on a volume: such a container has an anonymous
// one for them, which goes with it.
func (r *request) secretsOf(c spec.Container) {
	r.secrets = c.Secrets
	if c.ReadOnly && len(c.Secrets) > 0 {
		r.secretsIn = spec.SecretsFolder
		r.host.Mounts = append(r.host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Target: spec.SecretsFolder, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		})
	}
}

// deliver puts the secrets into a container that does not run. They are on the
// engine's disk with all else that the container wrote, and stay there through
// restarts; it may be repeated.
func (e *Engine) deliver(ctx context.Context, r request, id string) error {
	if len(r.secrets) == 0 {
		return nil
	}
	folder := r.secretsIn
	if folder == "" {
		folder = "/"
	}
	archive, err := packed(folder, r.secrets)
	if err != nil {
		return fmt.Errorf("pack the secrets of %s: %w", r.id.name(), err)
	}
	err = e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.CopyToContainer(ctx, id, folder, bytes.NewReader(archive), container.CopyToContainerOptions{})
	})
	if err != nil {
		return fmt.Errorf("put the secrets into %s: %w", r.id.name(), err)
	}
	return nil
}

// packed is an archive of secrets for a folder. It names no folders: those that
// are there keep their owner and mode, others belong to root.
func packed(folder string, secrets []spec.Secret) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, s := range secrets {
		name, err := filepath.Rel(folder, s.Target)
		if err != nil {
			return nil, err
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: name, Size: int64(len(s.Content)), Mode: int64(s.Mode), Uid: s.UID, Gid: s.GID,
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(s.Content)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
