package docker

import (
	"context"
	"runtime"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"teal/reconcile"
)

// Tags returns the tags that the registry has of the image's repository. An error
// is a [reconcile.Failure].
func (e *Engine) Tags(ctx context.Context, image string) ([]string, error) {
	named, err := parseRef(image)
	if err != nil {
		return nil, err
	}
	repository, err := name.NewRepository(named.Name(), name.WeakValidation)
	if err != nil {
		return nil, permanent(reconcile.ReasonImageInvalid, "image %s: %v", image, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Registry)
	defer cancel()
	options, patience := e.registryOptions(ctx)
	tags, err := remote.List(repository, options...)
	if err != nil {
		return nil, registryFailure(named, patience.with(err))
	}
	return tags, nil
}

// Digest returns what the registry's tag stands for now, asked so that it costs no
// pull. An error is a [reconcile.Failure].
func (e *Engine) Digest(ctx context.Context, image string) (string, error) {
	named, err := parseRef(image)
	if err != nil {
		return "", err
	}
	return e.registryDigest(ctx, reference.TagNameOnly(named))
}

// Created returns when an image was made, by its own word: zero if it does not
// say. Builds that are to come out the same everywhere say a time long ago. An
// error is a [reconcile.Failure].
func (e *Engine) Created(ctx context.Context, image string) (time.Time, error) {
	named, err := parseRef(image)
	if err != nil {
		return time.Time{}, err
	}
	ref, err := name.ParseReference(named.String(), name.WeakValidation)
	if err != nil {
		return time.Time{}, permanent(reconcile.ReasonImageInvalid, "image %s: %v", image, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Registry)
	defer cancel()
	options, patience := e.registryOptions(ctx)
	found, err := remote.Image(ref, append(options, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))...)
	if err != nil {
		return time.Time{}, registryFailure(named, patience.with(err))
	}
	config, err := found.ConfigFile()
	if err != nil {
		return time.Time{}, registryFailure(named, patience.with(err))
	}
	return config.Created.Time, nil
}

// RegistryOf is the host that an image comes from; empty if it is no image.
func RegistryOf(image string) string {
	named, err := parseRef(image)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}
