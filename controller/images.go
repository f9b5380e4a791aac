package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"teal/reconcile"
	"teal/spec"
)

// ReasonImagesRemoved says that images of earlier versions were removed.
const ReasonImagesRemoved reconcile.Reason = "ImagesRemoved"

// tidyUp asks for images to be looked at, soon.
func (c *Controller) tidyUp() {
	select {
	case c.tidy <- struct{}{}:
	default:
	}
}

// shortOfSpace reports whether an app waits for space on a host's disk.
func shortOfSpace(rec reconcile.Record) bool {
	if rec.Backoff == nil {
		return false
	}
	r := rec.Backoff.Failure.Reason
	return r == reconcile.ReasonDiskLow || r == reconcile.ReasonDiskFull
}

// keepImages removes images of earlier versions until ctx ends: at the start,
// after a rollout, when space is short, and every so often.
func (c *Controller) keepImages(ctx context.Context) {
	if c.opts.Images == nil {
		return
	}
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Effect)
		err := c.safely("keep images", spec.Name{}, func() error { return c.KeepImages(limited) })
		cancel()
		if err != nil && ctx.Err() == nil { // who does not answer is told of elsewhere
			c.log.Debug("images were not looked at", "error", err)
		}
		pause(ctx, c.opts.Limits.Retry) // what comes at once is one look
		timer := time.NewTimer(c.opts.Limits.Images)
		select {
		case <-ctx.Done():
		case <-c.tidy:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// KeepImages looks at the images of all hosts once, as Run does, and removes
// those that the rule lets go. An image that turns out to be in use stays, and
// is looked at again with the next.
func (c *Controller) KeepImages(ctx context.Context) error {
	k := c.opts.Images
	pulled, err := k.Book.Pulled()
	if err != nil || len(pulled) == 0 {
		return err
	}
	hosts, err := k.Host.Images(ctx)
	if err != nil {
		return err
	}
	// After the hosts: what began to be used since then was pulled by then, or
	// will be pulled again.
	apps, err := c.imagesOfApps()
	if err != nil {
		return err
	}
	remove, forget := k.Rule.Images(hosts, apps, pulled)
	var gone []reconcile.ImageRemoval
	for _, r := range remove {
		removed, failed := k.Host.RemoveImage(ctx, r)
		if removed {
			gone = append(gone, r)
		}
		if failed != nil {
			err = failed
			break
		}
	}
	c.toldOfImages(gone)
	if forgetting := k.Book.ForgetPulled(forgotten(gone, pulled, forget)...); forgetting != nil {
		return fmt.Errorf("forget removed images: %w", forgetting)
	}
	return err
}

// imagesOfApps is what every app has to do with images.
func (c *Controller) imagesOfApps() ([]reconcile.AppImages, error) {
	apps, err := c.opts.Store.Apps()
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	var out []reconcile.AppImages
	for _, app := range apps {
		state, known, err := c.load(app)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		history, err := c.opts.Store.History(app, 0)
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", app, err)
		}
		out = append(out, reconcile.ImagesOf(state, history))
	}
	return out, nil
}

// forgotten are the pulled images that are gone: those that were removed now,
// and those that were not on their hosts.
func forgotten(gone []reconcile.ImageRemoval, pulled, missing []reconcile.PulledImage) []reconcile.PulledImage {
	out := slices.Clone(missing)
	for _, r := range gone {
		for _, p := range pulled {
			if p.Host == r.Host && p.Image.Digest == r.Image.Digest {
				out = append(out, p)
			}
		}
	}
	return out
}

// toldOfImages tells each app of its images that were removed.
func (c *Controller) toldOfImages(gone []reconcile.ImageRemoval) {
	words := map[spec.Name][]string{}
	bytes := map[spec.Name]int64{}
	for _, r := range gone {
		text := r.Image.Ref
		if r.Host != "" {
			text += " on " + r.Host
		}
		for _, app := range r.Apps {
			words[app] = append(words[app], text+" ("+r.Why+")")
			bytes[app] += r.Size
		}
		c.metrics.images.Inc()
		c.metrics.bytes.Add(float64(r.Size))
	}
	var events []reconcile.Event
	for app, texts := range words {
		events = append(events, reconcile.Event{
			At: now(), App: app, Reason: ReasonImagesRemoved,
			Message: fmt.Sprintf("%d images of earlier versions were removed, %s: %s", len(texts), units.HumanSize(float64(bytes[app])), strings.Join(texts, "; ")),
		})
	}
	slices.SortFunc(events, func(a, b reconcile.Event) int { return strings.Compare(a.App.String(), b.App.String()) })
	c.note(events...)
}
