package controller

import (
	"context"
	"io"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// Seen is what an engine shows of one app.
type Seen = reconcile.Seen

// Engine is the Docker side, one host or several: what runs, and effects on it.
// An error of Observe means that no host answered, never "nothing runs"; hosts
// that did not answer beside others that did are named in Seen.
type Engine interface {
	Observe(ctx context.Context, app spec.Name, look reconcile.Look) (Seen, error)
	// Apps lists every app that has containers of this controller, with the
	// highest generation on their labels; of hosts that do not answer, what they
	// had when they were last seen. An error means that no host answered.
	Apps(ctx context.Context) (map[spec.Name]int64, error)
	// Perform does one step of the kinds resolve, pull, ensure, stop, remove,
	// test and evidence. It may be repeated.
	Perform(ctx context.Context, step reconcile.Step) reconcile.Outcome
	// Watch calls changed for every event of a container of ours until the
	// stream breaks or ctx ends. ready is called once the stream is open.
	Watch(ctx context.Context, ready func(), changed func(spec.Name)) error
	// Logs writes the last tail lines of a container, and follows it if asked to.
	Logs(ctx context.Context, container string, tail int, follow bool, w io.Writer) error
}

// ImageHost is what the retention of images needs of the engines.
type ImageHost interface {
	// Images lists the images of every host that answers, and what its containers
	// were made from.
	Images(ctx context.Context) ([]reconcile.HostImages, error)
	// RemoveImage removes an image, never by force; gone is false if it stays
	// because something uses it.
	RemoveImage(ctx context.Context, r reconcile.ImageRemoval) (gone bool, err error)
}

// ImageBook remembers what was pulled.
type ImageBook interface {
	Pulled() ([]reconcile.PulledImage, error)
	ForgetPulled(gone ...reconcile.PulledImage) error
}

// Proxy is one traffic switch. A caller believes only Read.
type Proxy interface {
	// Apply makes the proxy serve exactly table; it is total and idempotent, and
	// refused unless table.Seq is newer than what is served.
	Apply(ctx context.Context, table reconcile.Table) error
	// Read tells what is served. Its errors, and those of Apply, say what was
	// being done.
	Read(ctx context.Context) (reconcile.Snapshot, error)
}

// Prober probes containers until told otherwise.
type Prober interface {
	// Watch replaces what is probed for app. A target that was probed before, in
	// the same run, keeps its counts.
	Watch(app spec.Name, targets []reconcile.ProbeTarget)
	// Probe returns the counts of a container; zero if it is not probed.
	Probe(container string) reconcile.Probe
}

// Store keeps desired states, records, commands, events and history. Every
// method that writes is one transaction.
type Store interface {
	// Accept makes p the desired state of its project. A service that differs
	// from what was accepted before gets the next generation, at least
	// atLeast[name]+1 if it is new here; one that p does not name is orphaned, or
	// pruned if prune is set.
	Accept(p spec.Project, prune bool, atLeast map[spec.Name]int64, now time.Time) ([]reconcile.Accepted, error)
	// Orphan marks every app of a project as not named any more; all of it stays.
	Orphan(project string) ([]reconcile.Accepted, error)
	// Remove prunes every app of a project and forgets the project.
	Remove(project string, now time.Time) ([]reconcile.Accepted, error)
	// Projects returns the accepted projects.
	Projects() ([]spec.Project, error)
	Apps() ([]spec.Name, error)
	// Load returns the state of one app; ok is false if it is not known.
	Load(app spec.Name) (state reconcile.State, ok bool, err error)
	// Save records a decision: record, events, history, answers to commands.
	Save(app spec.Name, d reconcile.Decision) error
	// Command queues c. It returns false if its token was seen before.
	Command(app spec.Name, c reconcile.Command) (bool, error)
	// Answer returns what came of a command: "" it took effect, otherwise why
	// not; ok is false while it waits.
	Answer(token string) (answer string, ok bool, err error)
	// Events returns events after the given number, oldest first, and the number
	// of the last one. An empty app is every app.
	Events(app spec.Name, after uint64, limit int) ([]reconcile.Event, uint64, error)
	// History returns finished rollouts, newest first.
	History(app spec.Name, limit int) ([]reconcile.Rollout, error)
	// Note appends events that no decision made (a refused file, a lost engine).
	Note(events ...reconcile.Event) error
}
