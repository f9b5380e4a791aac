package docker

import (
	"strings"

	"github.com/distribution/reference"

	"teal/reconcile"
)

// parseRef reads an image reference as people write it; what cannot be one is a
// permanent failure.
func parseRef(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, permanent(reconcile.ReasonImageInvalid, "image %q: %v", ref, err)
	}
	return named, nil
}

// digestOf returns the digest that ref names, or "".
func digestOf(ref reference.Named) string {
	if canonical, ok := ref.(reference.Canonical); ok {
		return canonical.Digest().String()
	}
	return ""
}

// engineRef is what the engine makes a container from: the image id when only
// the engine knows it, else repository@digest, which no tag can move.
func engineRef(img reconcile.Image) (string, error) {
	if img.Digest == "" {
		return "", permanent(reconcile.ReasonImageInvalid, "image %q was not resolved to a digest", img.Ref)
	}
	if img.Local {
		return img.Digest, nil
	}
	named, err := parseRef(img.Ref)
	if err != nil {
		return "", err
	}
	return reference.FamiliarName(named) + "@" + img.Digest, nil
}

// repoDigest returns the digest that the engine knows the image of ref by, from
// the repository of ref only: another repository's may not be served there.
func repoDigest(ref reference.Named, known []string) string {
	for _, text := range known {
		repository, digest, ok := strings.Cut(text, "@")
		if !ok {
			continue
		}
		named, err := reference.ParseNormalizedNamed(repository)
		if err == nil && named.Name() == ref.Name() {
			return digest
		}
	}
	return ""
}
