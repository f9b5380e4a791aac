package source

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"teal/spec"
)

// Options say which files are watched, and how. Files and Load are needed.
type Options struct {
	Files []string // as the operator named them, the first one's folder is the project's
	// Load reads and checks them all. An [spec.Error] tells what was looked for.
	Load  func(ctx context.Context) (*spec.Project, error)
	Prune bool // services that are not named any more are to be removed
	// Logger hears of what makes watching slower than it could be; nil: nobody.
	Logger *slog.Logger

	Quiet    time.Duration // without an event before a reading; default 25 ms
	Poll     time.Duration // between comparisons nobody asked for; default 1 s
	Patience time.Duration // for content that looks half written to become whole; default 1 s
}

const (
	defaultQuiet    = 25 * time.Millisecond
	defaultPoll     = time.Second
	defaultPatience = time.Second
	// longestQuiet bounds, in quiet times, how long a folder that never gets
	// quiet can put a reading off.
	longestQuiet = 8
	// retries is how many times half-written content is read within the patience.
	retries = 10
)

// File is a source of one project: a set of Compose files and all they read.
type File struct {
	opts   Options
	looked atomic.Int64 // Unix nanoseconds
}

// NewFile returns a source that is not yet watching. It fails when no file is
// named or a path cannot be made absolute.
func NewFile(opts Options) (*File, error) {
	if len(opts.Files) == 0 {
		return nil, fmt.Errorf("watch files: none is named")
	}
	files := make([]string, 0, len(opts.Files))
	for _, f := range opts.Files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", f, err)
		}
		files = append(files, abs)
	}
	opts.Files = files
	if opts.Quiet <= 0 {
		opts.Quiet = defaultQuiet
	}
	if opts.Poll <= 0 {
		opts.Poll = defaultPoll
	}
	if opts.Patience <= 0 {
		opts.Patience = defaultPatience
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &File{opts: opts}, nil
}

// Files returns the absolute paths of the watched Compose files.
func (f *File) Files() []string { return slices.Clone(f.opts.Files) }

// Looked returns when the files were last compared with what was read; zero
// before the first time.
func (f *File) Looked() time.Time {
	if n := f.looked.Load(); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

// Run calls emit with the first reading and with every change, one at a time,
// until ctx ends. It returns nil then, and nothing else.
func (f *File) Run(ctx context.Context, emit func(Update)) error {
	folders := newFolders(f.opts.Logger)
	defer folders.close()
	r := &reader{opts: f.opts, emit: emit}
	quiet := debounce{quiet: f.opts.Quiet, longest: longestQuiet * f.opts.Quiet}
	look := func() time.Time {
		// Watched before read: a change in between is an event.
		folders.watch(r.paths())
		at := r.look(ctx, time.Now())
		f.looked.Store(time.Now().UnixNano())
		folders.watch(r.paths())
		return at
	}
	next := look()
	for {
		timer := time.NewTimer(time.Until(quiet.sooner(next)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-folders.events():
			quiet.event(time.Now())
		case <-timer.C:
			quiet = debounce{quiet: quiet.quiet, longest: quiet.longest}
			next = look()
		}
		timer.Stop()
	}
}

// debounce waits for a burst of events to end.
type debounce struct {
	quiet, longest time.Duration
	first, due     time.Time
}

// event moves the due time to a quiet time from now, but not for ever.
func (d *debounce) event(now time.Time) {
	if d.first.IsZero() {
		d.first = now
	}
	d.due = now.Add(d.quiet)
	if last := d.first.Add(d.longest); d.due.After(last) {
		d.due = last
	}
}

// sooner returns the burst's end or t, whichever comes first.
func (d *debounce) sooner(t time.Time) time.Time {
	if !d.due.IsZero() && d.due.Before(t) {
		return d.due
	}
	return t
}
