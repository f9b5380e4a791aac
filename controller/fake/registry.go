package fake

import (
	"context"
	"slices"

	"teal/reconcile"
)

func (e *Engine) resolve(s reconcile.Step) reconcile.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	img, ok := e.images[s.Image.Ref]
	switch {
	case !slices.ContainsFunc(e.all(s.Hosts), func(h string) bool { return e.absent(h) == nil }):
		return infra(reconcile.ReasonHostAway, "no host answers")
	case !ok || img.Missing:
		return permanent(reconcile.ReasonImageNotFound, s.Image.Ref+": manifest unknown")
	case img.Denied:
		return permanent(reconcile.ReasonImageDenied, s.Image.Ref+": denied")
	}
	return reconcile.Outcome{Image: reconcile.Image{Ref: s.Image.Ref, Digest: img.Digest}}
}

func (e *Engine) pull(ctx context.Context, s reconcile.Step) reconcile.Outcome {
	e.mu.Lock()
	hosts := e.all(s.Hosts)
	img, ok := e.find(hosts[0], s.Image.Digest)
	e.mu.Unlock()
	if !ok {
		return permanent(reconcile.ReasonImageNotFound, s.Image.Ref+": manifest unknown")
	}
	if err := sleep(ctx, img.Size); err != nil {
		return infra(reconcile.ReasonRegistryUnavailable, err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, host := range hosts {
		e.local[key(host, s.Image.Digest)] = img
	}
	return reconcile.Outcome{}
}

// find looks an image up by digest, in the registry and on the host.
func (e *Engine) find(host, digest string) (Image, bool) {
	if img, ok := e.local[key(host, digest)]; ok {
		return img, true
	}
	for _, img := range e.images {
		if img.Digest == digest && !img.Missing && !img.Denied {
			return img, true
		}
	}
	return Image{}, false
}
