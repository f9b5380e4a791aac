package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"teal/reconcile"
)

// Images lists what the engine has of images, and what its containers, ours and
// all others, were made from.
func (e *Engine) Images(ctx context.Context) ([]reconcile.HostImages, error) {
	out, err := e.hostImages(ctx)
	if err != nil {
		return nil, e.onHost(fmt.Errorf("list images: %w", err))
	}
	return []reconcile.HostImages{out}, nil
}

// hostImages lists images first and containers then: a container made meanwhile
// is seen, or is of an image that was not.
func (e *Engine) hostImages(ctx context.Context) (reconcile.HostImages, error) {
	out := reconcile.HostImages{Host: e.name}
	images, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]image.Summary, error) {
		return a.ImageList(ctx, image.ListOptions{})
	})
	if err != nil {
		return out, err
	}
	containers, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true})
	})
	if err != nil {
		return out, err
	}
	for _, i := range images {
		out.Images = append(out.Images, reconcile.HostImage{
			ID: i.ID, Size: i.Size, Tags: named(i.RepoTags, "<none>:<none>"), Digests: named(i.RepoDigests, "<none>@<none>"),
		})
	}
	for _, c := range containers {
		out.Used = append(out.Used, c.ImageID, c.Image)
	}
	if space, least, err := e.Room(ctx); err == nil {
		out.Short = space.Free < least
	} else if !errors.Is(err, ErrSpaceUnknown) {
		return out, err
	}
	return out, nil
}

// named are names without the one that stands for none.
func named(names []string, none string) (out []string) {
	for _, n := range names {
		if n != none {
			out = append(out, n)
		}
	}
	return out
}

// RemoveImage removes an image, never by force: one that a container was made
// from meanwhile, or that got another name, stays. gone is false if it stays.
func (e *Engine) RemoveImage(ctx context.Context, r reconcile.ImageRemoval) (gone bool, err error) {
	names := []string{r.ID}
	if len(r.Tags) > 1 { // by its id the engine removes an image of one tag only
		names = append(append([]string{}, r.Tags[1:]...), r.ID)
	}
	for _, name := range names {
		err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
			_, err := a.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
			return err
		})
		switch {
		case errdefs.IsConflict(err):
			e.log.Debug("image is in use and stays", keyImage, name, keyError, err)
			return false, nil
		case err != nil && !errdefs.IsNotFound(err):
			return false, e.onHost(fmt.Errorf("remove image %s: %w", name, err))
		}
	}
	return true, nil
}
