package docker

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"

	"teal/reconcile"
	"teal/spec"
)

// resolve finds out which content the reference stands for. A local image wins
// under the policy missing, is the only choice under never, and is not looked
// at under always.
func (e *Engine) resolve(ctx context.Context, ref string, policy spec.PullPolicy) (reconcile.Image, error) {
	named, err := parseRef(ref)
	if err != nil {
		return reconcile.Image{}, err
	}
	out := reconcile.Image{Ref: ref, Digest: digestOf(named)}
	if out.Digest != "" && policy != spec.PullNever {
		return out, nil // the reference says it all
	}
	named = reference.TagNameOnly(named)
	if policy != spec.PullAlways {
		local, found, err := e.localImage(ctx, named)
		if err != nil {
			return reconcile.Image{}, err
		}
		if found {
			local.Ref = ref
			return local, nil
		}
	}
	if policy == spec.PullNever {
		return reconcile.Image{}, permanent(reconcile.ReasonImageNotFound,
			"image %s is not on this host, and pull_policy is never; build or load it here, or let it be pulled", ref)
	}
	out.Digest, err = e.registryDigest(ctx, named)
	return out, err
}

// localImage looks for named on the engine. An image that came from named's
// repository is known by the registry's digest, any other one by its id.
func (e *Engine) localImage(ctx context.Context, named reference.Named) (reconcile.Image, bool, error) {
	found, err := e.inspectImage(ctx, reference.FamiliarString(named))
	if errdefs.IsNotFound(err) {
		return reconcile.Image{}, false, nil
	}
	if err != nil {
		return reconcile.Image{}, false, err
	}
	if digest := digestOf(named); digest != "" {
		return reconcile.Image{Digest: digest}, true, nil
	}
	if digest := repoDigest(named, found.RepoDigests); digest != "" {
		return reconcile.Image{Digest: digest}, true, nil
	}
	return reconcile.Image{Digest: found.ID, Local: true}, true, nil
}

func (e *Engine) inspectImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	found, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (image.InspectResponse, error) {
		return a.ImageInspect(ctx, ref)
	})
	if err != nil {
		return found, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return found, nil
}
