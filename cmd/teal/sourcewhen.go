package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/controller/schedule"
	"teal/controller/source/git"
	"teal/controller/source/trust"
	"teal/controller/webhook"
	"teal/spec"
)

// Fields of a source that say when it is looked at, when what it says may be
// rolled out, and whose word counts.
var (
	whenFields = []string{"every", "windows", "freeze", "trust", "webhook", "webhook_secret_file"}
	whenPaths  = []string{"trust", "webhook_secret_file"}
)

// sourceJitter is the share of an interval that it may be longer or shorter.
const sourceJitter = 0.1

// when reads when a source is looked at, and when it is rolled out.
func (f *fields) when(out *pulled) {
	if f.given.Has("every") {
		every, err := schedule.Parse(f.text("every"))
		if err != nil {
			f.problem("every: %w", err)
		}
		out.options.Next = every.Jitter(out.name, sourceJitter).Next
		out.options.Interval, _ = every.Every()
	}
	out.calendar = spec.Calendar{By: "source " + out.name, Windows: f.ranges("windows"), Freezes: f.ranges("freeze")}
	if files := f.list("trust"); len(files) > 0 {
		if _, err := trust.Load(files); err != nil {
			f.problem("trust: %w", err)
		}
		out.options.Verify = verifier(files, out.options.Follow)
	} else if f.given.Has("trust") {
		f.problem("trust names no file with keys")
	}
	f.hook(out)
}

// ranges reads windows or freezes.
func (f *fields) ranges(name string) []spec.Range {
	out, err := schedule.ParseRanges(f.given.Get(name))
	if err != nil {
		f.problem("%s: %w", name, err)
	}
	return out
}

// hook reads how a source is called for.
func (f *fields) hook(out *pulled) {
	kind, file := webhook.Kind(f.text("webhook")), f.text("webhook_secret_file")
	switch {
	case kind == "" && file == "":
	case kind == "":
		f.problem("webhook_secret_file is given, but not who calls: webhook")
	case !slices.Contains(webhook.Kinds(), kind):
		f.problem("webhook is %q, which is none of %v", kind, webhook.Kinds())
	case file == "":
		f.problem("webhook needs webhook_secret_file, a file with the secret that calls are signed with")
	default:
		out.hook = &webhook.Hook{Source: out.name, Kind: kind, SecretFile: file, Follows: follows(out.options.Follow)}
	}
}

// follows says which refs of a push are of interest. Without any named, that is
// the server's default branch, whose name only the server knows.
func follows(f git.Follow) func(ref string) bool {
	switch {
	case f.Branch != "":
		return func(ref string) bool { return strings.TrimPrefix(ref, "refs/heads/") == f.Branch }
	case f.Tag != "":
		return func(ref string) bool { return strings.TrimPrefix(ref, "refs/tags/") == f.Tag }
	case f.Tags != "":
		return func(ref string) bool { return !strings.HasPrefix(ref, "refs/heads/") }
	}
	return func(ref string) bool { return !strings.HasPrefix(ref, "refs/tags/") }
}

// verifier asks for a signature by one of the keys in files, which are read each
// time: a key that is taken out counts no more. Where tags are followed, the tag
// has to be signed: else an old version could be passed off as a new one.
func verifier(files []string, follow git.Follow) func(context.Context, git.Signed) (string, error) {
	return func(_ context.Context, s git.Signed) (string, error) {
		keys, err := trust.Load(files)
		if err != nil {
			return "", err
		}
		switch {
		case s.Tag != nil:
			return keys.Tag(s.Tag, s.Commit, strings.TrimPrefix(s.Name, "refs/tags/"), time.Now())
		case follow.Tag != "" || follow.Tags != "":
			return "", fmt.Errorf("%w: the tag is a plain one; make it with git tag -s", trust.ErrUnsigned)
		}
		return keys.Commit(s.Commit, time.Now())
	}
}

// restricted adds a source's calendar to all that it loads.
func restricted(load git.Loader, c spec.Calendar) git.Loader {
	return func(ctx context.Context, o spec.Options) (*spec.Project, error) {
		p, err := load(ctx, o)
		if err != nil || p == nil {
			return p, err
		}
		out := p.Restricted(c)
		return &out, nil
	}
}

// errNoHooks says that somebody listens for calls that cannot come.
var errNoHooks = errors.New("no source has a webhook")
