package imageupdate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"teal/controller"
	"teal/reconcile"
	"teal/spec"
)

// Reasons of this package's events.
const (
	ReasonUpdatesFailed reconcile.Reason = "ImageUpdatesFailed" // a registry does not say what is new
	ReasonUpdatesBack   reconcile.Reason = "ImageUpdatesBack"   // it does again
)

// Book is what is wanted, and how rollouts ended.
type Book interface {
	Apps() ([]spec.Name, error)
	Load(app spec.Name) (reconcile.State, bool, error)
	History(app spec.Name, limit int) ([]reconcile.Rollout, error)
}

// Registry answers for registries. Its errors are [reconcile.Failure] where the
// registry said something.
type Registry interface {
	Tags(ctx context.Context, image string) ([]string, error)
	Digest(ctx context.Context, image string) (string, error)
	Created(ctx context.Context, image string) (time.Time, error)
}

// Options of [New]. All but Tick are needed.
type Options struct {
	Book     Book
	Registry Registry
	// Host is the registry that an image comes from.
	Host func(image string) string
	// Update rolls an image out; see [controller.Controller.UpdateImage].
	Update func(ctx context.Context, u controller.ImageUpdate) error
	Note   func(events ...reconcile.Event)
	File   string // keeps when images were first seen
	Logger *slog.Logger
	Tick   time.Duration // between two looks at what is due; default 1 s
}

// Waits after a registry failed.
const (
	firstWait   = 30 * time.Second
	longestWait = time.Hour
	tellAfter   = 3 // failures in a row until they are told
	asking      = time.Minute
)

// Updater looks for newer images.
type Updater struct {
	opts  Options
	seen  *sightings
	next  map[spec.Name]time.Time
	tags  map[string]tagList // by repository
	hosts map[string]*host
}

// tagList is a repository's tags, and when they were asked for.
type tagList struct {
	at   time.Time
	tags []string
}

// host is a registry, and how it fares.
type host struct {
	attempts int
	next     time.Time
	told     bool
}

// New reads when images were first seen and starts nothing.
func New(opts Options) *Updater {
	if opts.Tick <= 0 {
		opts.Tick = time.Second
	}
	seen, err := openSightings(opts.File)
	if err != nil {
		opts.Logger.Warn("first sight of images was lost: their age counts from now", "file", opts.File, "error", err)
	}
	return &Updater{opts: opts, seen: seen, next: map[spec.Name]time.Time{}, tags: map[string]tagList{}, hosts: map[string]*host{}}
}

// Run looks until ctx ends.
func (u *Updater) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		u.Look(ctx)
		timer := time.NewTimer(u.opts.Tick)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Look looks for newer images of the apps that are due.
func (u *Updater) Look(ctx context.Context) {
	apps, err := u.opts.Book.Apps()
	if err != nil {
		u.opts.Logger.Debug("apps were not listed", "error", err)
		return
	}
	known := map[spec.Name]bool{}
	for _, app := range apps {
		if ctx.Err() != nil {
			return
		}
		state, ok, err := u.opts.Book.Load(app)
		if err != nil || !ok || !wanted(state) {
			continue
		}
		known[app] = true
		u.lookAt(ctx, state)
	}
	for app := range u.next {
		if !known[app] {
			delete(u.next, app)
		}
	}
	u.seen.only(known)
}

// wanted reports whether newer images are looked for.
func wanted(state reconcile.State) bool {
	d := state.Desired
	return d.Service.Rollout != nil && d.Service.Rollout.ImagePolicy != nil && !d.Orphaned && !d.Pruned
}

// lookAt looks for a newer image of one app, if it is due.
func (u *Updater) lookAt(ctx context.Context, state reconcile.State) {
	service := state.Desired.Service
	policy := *service.Rollout.ImagePolicy
	registry := u.opts.Host(service.Container.Image)
	if u.hosts[registry] == nil {
		u.hosts[registry] = &host{}
	}
	h := u.hosts[registry]
	if now := time.Now(); now.Before(u.next[service.Name]) || now.Before(h.next) {
		return
	}
	u.next[service.Name] = time.Now().Add(jitter(policy.Every.D()))
	limited, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	err := u.update(limited, state, policy)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, controller.ErrMovedOn):
		u.next[service.Name] = time.Now().Add(u.opts.Tick) // decided again
	default:
		u.fared(h, registry, service.Name, err)
	}
}

// update has the best of the newer images rolled out that is old enough and did
// not fail, if there is one.
func (u *Updater) update(ctx context.Context, state reconcile.State, policy spec.ImagePolicy) error {
	service := state.Desired.Service
	tags, err := u.tagsOf(ctx, service.Container.Image, policy)
	if err != nil {
		return err
	}
	history, err := u.opts.Book.History(service.Name, 0)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	for _, image := range policy.Choose(service, tags) {
		digest, err := u.opts.Registry.Digest(ctx, image)
		if err != nil {
			if gone(err) {
				continue
			}
			return err
		}
		to := image + "@" + digest
		if to == service.Container.Image || runsAlready(state, image, digest) {
			return nil
		}
		if failed(history, state.Record, to) {
			continue
		}
		old, err := u.oldEnough(ctx, service.Name, to, policy)
		if err != nil {
			return err
		}
		if !old {
			continue
		}
		return u.opts.Update(ctx, controller.ImageUpdate{App: service.Name, From: service.Container.Image, To: to, Why: why(policy, image)})
	}
	return nil
}

func why(policy spec.ImagePolicy, image string) string {
	if policy.Digest {
		return "image policy: " + image + " was moved"
	}
	return "image policy " + policy.Tags + ": " + image + " is there"
}

// tagsOf returns the tags of an image's repository; those that were asked for a
// moment ago are shared. A moved digest needs none.
func (u *Updater) tagsOf(ctx context.Context, image string, policy spec.ImagePolicy) ([]string, error) {
	if policy.Digest {
		return nil, nil
	}
	repository := spec.Repository(image)
	if l, ok := u.tags[repository]; ok && time.Since(l.at) < policy.Every.D()/2 {
		return l.tags, nil
	}
	tags, err := u.opts.Registry.Tags(ctx, image)
	if err != nil {
		return nil, err
	}
	u.tags[repository] = tagList{at: time.Now(), tags: tags}
	return tags, nil
}

// runsAlready reports whether the image that is wanted by a tag alone was resolved
// to that digest.
func runsAlready(state reconcile.State, image, digest string) bool {
	return state.Desired.Service.Container.Image == image && state.Record.ImageGeneration == state.Desired.Generation && state.Record.Image.Digest == digest
}

// failed reports whether the newest word of an image is that it did not do.
func failed(history []reconcile.Rollout, rec reconcile.Record, image string) bool {
	if rec.Hold != nil && rec.Hold.Image == image {
		return true
	}
	for _, r := range history { // newest first
		if r.Revision.Image.Ref != image {
			continue
		}
		switch r.Result {
		case reconcile.RolledBack, reconcile.Failed:
			return true
		case reconcile.Succeeded, reconcile.Adopted:
			return false
		case reconcile.Superseded:
		}
	}
	return false
}

// oldEnough reports whether an image has the age that is asked for: by its own
// word, which a build may set as it likes, and since it was first seen here.
func (u *Updater) oldEnough(ctx context.Context, app spec.Name, image string, policy spec.ImagePolicy) (bool, error) {
	least := policy.MinAge.D()
	if least <= 0 {
		return true, nil
	}
	first, err := u.seen.first(app, image, time.Now())
	if err != nil {
		u.opts.Logger.Warn("first sight of an image was not kept", "image", image, "error", err)
	}
	if time.Since(first) < least {
		return false, nil
	}
	created, err := u.opts.Registry.Created(ctx, image)
	if err != nil {
		return false, err
	}
	return time.Since(created) >= least, nil
}

// gone reports whether there is no such image, as after a tag was deleted.
func gone(err error) bool {
	f, ok := errors.AsType[*reconcile.Failure](err)
	return ok && f.Reason == reconcile.ReasonImageNotFound
}

// fared notes how a registry did, waits after a failure and tells of it once.
func (u *Updater) fared(h *host, registry string, app spec.Name, err error) {
	if err == nil {
		told := h.told
		*h = host{}
		if told {
			u.note(false, ReasonUpdatesBack, "registry "+registry+" says again what is new")
		}
		return
	}
	h.attempts++
	wait := min(firstWait<<min(h.attempts-1, 16), longestWait)
	refused := false
	if f, ok := errors.AsType[*reconcile.Failure](err); ok {
		wait = max(wait, f.RetryAfter.D())
		refused = f.Class == reconcile.Permanent
	}
	h.next = time.Now().Add(jitter(wait))
	u.opts.Logger.Debug("newer images were not looked for", "app", app.String(), "attempts", h.attempts, "error", err)
	if !h.told && (refused || h.attempts >= tellAfter) {
		h.told = true
		u.note(true, ReasonUpdatesFailed, fmt.Sprintf("newer images of %s cannot be looked for: %v", app, err))
	}
}

func (u *Updater) note(warning bool, reason reconcile.Reason, words string) {
	u.opts.Note(reconcile.Event{At: time.Now().UTC().Round(0), Warning: warning, Reason: reason, Message: words})
}

// jitter is d ± 10 %, so that many apps do not ask at once.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}
