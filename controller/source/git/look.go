package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/controller/source"
	"teal/reconcile"
	"teal/spec"
)

// look asks what the ref is and takes in what is new. The fault is why the source
// cannot be followed now; it was emitted.
func (s *Source) look(ctx context.Context, emit func(source.Update), forced bool) *FollowError {
	ref, err := s.ask(ctx)
	if err == nil {
		err = s.follow(ctx, emit, ref, forced)
	}
	switch {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // it is to stop, which is no fault of the source
	case err == nil:
		emit(source.Update{Err: nil, All: true, Parts: partNames(s.kept.Parts), Prune: s.opts.Prune, At: time.Now().UTC()})
		return nil
	}
	f := faultOf(err)
	emit(source.Update{Err: f, Reason: f.Reason, At: time.Now().UTC()})
	return f
}

// ask lists the server's refs and picks the one to follow.
func (s *Source) ask(ctx context.Context) (Ref, error) {
	limited, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	refs, err := s.server.refs(limited, s.opts.Follow.prefixes())
	if err != nil {
		return Ref{}, err
	}
	ref, err := s.opts.Follow.choose(refs)
	var f *FollowError
	if errors.As(err, &f) && s.comparable() {
		f.Message += fmt.Sprintf(" any more; commit %s of %s goes on", short(s.kept.Commit), s.kept.Ref)
	}
	return ref, err
}

// follow takes in a ref, unless what it points at is in force.
func (s *Source) follow(ctx context.Context, emit func(source.Update), ref Ref, forced bool) error {
	if s.comparable() && ref.Object == s.kept.Object && ref.Name == s.kept.Ref && !s.stale {
		s.refused = refusal{}
		if s.moved() {
			s.reload(ctx, emit)
		}
		return nil
	}
	if !forced && s.refused.object == ref.Object && time.Now().Before(s.refused.until) {
		return s.refused.fault
	}
	err := s.take(ctx, emit, ref)
	if err != nil && ctx.Err() == nil {
		s.remember(ref, faultOf(err))
		// Whatever was wrong with the copy does not outlive this.
		err = errors.Join(err, s.forget())
	}
	return err
}

// remember keeps why a commit is refused, so that it is not fetched again and
// again.
func (s *Source) remember(ref Ref, f *FollowError) {
	if slices.Contains([]reconcile.Reason{ReasonRewritten, ReasonUntrusted, ReasonNothing, ReasonRefGone}, f.Reason) {
		s.refused = refusal{object: ref.Object, fault: f, until: time.Now().Add(rethink)}
	}
}

// comparable reports whether what is in force came from the same place.
func (s *Source) comparable() bool {
	return s.kept.Commit != "" && s.kept.URL == s.address.String() && s.kept.Follow == s.opts.Follow.String()
}

// take fetches what a ref points at, checks it, writes it down and hands it out.
// Until that is done, what was in force is.
func (s *Source) take(ctx context.Context, emit func(source.Update), ref Ref) error {
	if err := s.renew(ref); err != nil {
		return err
	}
	var since time.Time
	if s.comparable() && s.opts.Follow.Tag == "" && s.opts.Follow.Tags == "" {
		since = s.kept.Committed
	}
	id, err := s.copy.pull(ctx, ref.Name, since)
	if err != nil {
		return err
	}
	commit, tag, err := peeled(s.copy, id)
	if err != nil {
		return err
	}
	ref.Object, ref.Commit = id, commit.ID
	notice, err := s.lineage(ctx, ref, commit)
	if err != nil {
		return err
	}
	signer, err := s.verified(ctx, commit, Signed{Commit: commit.Raw, Tag: tag, Name: ref.Name})
	if err != nil {
		return err
	}
	parts, err := s.export(ctx, commit)
	if err != nil {
		return err
	}
	next := kept{
		Version: keptVersion, URL: s.address.String(), Follow: s.opts.Follow.String(), Paths: s.opts.Paths, Ref: ref.Name, Object: id,
		Commit: commit.ID, Author: commit.Author, Subject: commit.Subject, Signer: signer, Committed: commit.Time, Parts: parts,
	}
	if err := next.save(s.opts.Folder); err != nil {
		return err
	}
	s.kept, s.made, s.stale, s.refused = next, next.Commit, false, refusal{}
	s.log.Info("commit was fetched", "source", s.opts.Name, "ref", shortRef(ref.Name), "commit", short(commit.ID), "projects", len(parts))
	if notice != "" {
		emit(source.Update{Notice: notice, Reason: ReasonRewritten, At: time.Now().UTC()})
	}
	s.reload(ctx, emit)
	return errors.Join(s.copy.rest(), s.sweep())
}

// renew makes sure that there is a copy.
func (s *Source) renew(ref Ref) error {
	if s.copy != nil && s.copy.worn() {
		if err := s.forget(); err != nil {
			return err
		}
	}
	if s.copy != nil {
		return nil
	}
	if s.group.git == "" {
		s.copy = &library{address: s.address, credentials: s.opts.Credentials, limit: s.opts.Limit, dir: s.opts.Folder}
		return nil
	}
	format := ""
	if len(ref.Object) == 64 {
		format = "sha256"
	}
	made, err := newCache(s.program(), s.opts.Folder, format)
	if err == nil {
		s.copy = made
	}
	return err
}

// deeper is how many commits of the history are fetched when the newer ones do
// not show the commit that was followed.
var deeper = []int{200, 5000}

// lineage refuses what does not follow from the commit in force, or returns what
// to tell of it.
func (s *Source) lineage(ctx context.Context, ref Ref, c Commit) (notice string, err error) {
	if !s.comparable() || c.ID == s.kept.Commit {
		return "", nil
	}
	what, err := s.compare(ctx, ref, c)
	if err != nil || what == "" {
		return "", err
	}
	if s.opts.FollowRewrites {
		return what + "; it is followed, as follow_rewrites says", nil
	}
	reason := ReasonRewritten
	if s.opts.Follow.downgrades(s.kept.Ref, ref.Name) {
		reason = ReasonRefGone
	}
	return "", &FollowError{
		Reason: reason, Message: fmt.Sprintf("%s; commit %s goes on", what, short(s.kept.Commit)),
		Hint: "if that was meant: follow_rewrites: true, or push a commit that follows from it",
	}
}

// compare says what is wrong with the way from the commit in force to c; empty:
// nothing.
func (s *Source) compare(ctx context.Context, ref Ref, c Commit) (string, error) {
	from, to := shortRef(s.kept.Ref), shortRef(ref.Name)
	f := s.opts.Follow
	switch {
	case f.downgrades(s.kept.Ref, ref.Name):
		return fmt.Sprintf("tag %s is gone, the newest of %s is %s now", from, f.Tags, to), nil
	case f.Tag != "" || f.Tags != "":
		if s.kept.Ref == ref.Name {
			return fmt.Sprintf("tag %s was moved from commit %s to %s", to, short(s.kept.Commit), short(c.ID)), nil
		}
		return "", nil
	}
	how, err := ancestry(s.copy, c, s.kept.Commit)
	for _, depth := range deeper {
		if err != nil || how != uncertain {
			break
		}
		if err = s.copy.deepen(ctx, ref.Name, depth); err == nil {
			how, err = ancestry(s.copy, c, s.kept.Commit)
		}
	}
	if err != nil || how == descends {
		return "", err
	}
	return fmt.Sprintf("branch %s was rewritten: commit %s does not follow from %s", to, short(c.ID), short(s.kept.Commit)), nil
}

// verified asks whether the commit may be used, and whose it is.
func (s *Source) verified(ctx context.Context, c Commit, signed Signed) (string, error) {
	if s.opts.Verify == nil {
		return "", nil
	}
	signer, err := s.opts.Verify(ctx, signed)
	if err != nil {
		return "", &FollowError{
			Reason: ReasonUntrusted, Err: err, Message: fmt.Sprintf("commit %s by %s is not trusted: %v", short(c.ID), c.Author, err),
			Hint: "nothing of it is used",
		}
	}
	return signer, nil
}

// export writes the files of a commit into a folder of its own.
func (s *Source) export(ctx context.Context, c Commit) (_ []part, err error) {
	scratch, err := os.MkdirTemp(s.revs(), scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("make an export: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(scratch))
		}
	}()
	shot := &snapshot{
		clone: s.copy, commit: c, folder: filepath.Join(scratch, s.opts.Name), trees: map[string][]entry{}, done: map[string]bool{},
	}
	if err := os.Mkdir(shot.folder, 0o700); err != nil {
		return nil, fmt.Errorf("make an export: %w", err)
	}
	parts, err := shot.parts(s.opts.Paths)
	if err != nil {
		return nil, err
	}
	if err := shot.complete(ctx, parts, s.opts.Load); err != nil {
		return nil, err
	}
	return parts, publish(scratch, filepath.Join(s.revs(), c.ID))
}

// reload reads the projects in force and hands them out.
func (s *Source) reload(ctx context.Context, emit func(source.Update)) {
	origin := s.kept.origin(s.opts.Name)
	s.mu.Lock()
	s.state.Commit = &origin
	s.mu.Unlock()
	s.outside = map[string]stamp{}
	root := filepath.Join(s.revs(), s.kept.Commit, s.opts.Name)
	for _, p := range s.kept.Parts {
		project, err := s.opts.Load(ctx, p.options(root))
		if ctx.Err() != nil {
			return
		}
		u := source.Update{Part: p.Name, Prune: s.opts.Prune, At: time.Now().UTC(), Err: err}
		if err == nil {
			s.watch(root, project.Source.Inputs)
			u.Project = *project
			u.Project.Source = spec.Source{Files: p.Files, Inputs: within(root, project.Source.Inputs), Origin: &origin}
		} else {
			s.stale = s.stale || s.made != s.kept.Commit
			if refused, ok := errors.AsType[*spec.Error](err); ok {
				s.watch(root, refused.Source.Inputs)
			}
		}
		emit(u)
	}
}

// within makes paths below root relative to it.
func within(root string, paths []string) []string {
	var out []string
	for _, p := range paths {
		if rel, err := filepath.Rel(root, p); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			p = filepath.ToSlash(rel)
		}
		out = append(out, p)
	}
	return out
}

// stamp tells by a file's looks whether it was changed.
type stamp struct {
	size    int64
	changed time.Time
	there   bool
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{size: info.Size(), changed: info.ModTime(), there: true}
}

// watch notes the files that were read beside the export.
func (s *Source) watch(root string, inputs []string) {
	for _, in := range within(root, inputs) {
		if filepath.IsAbs(in) {
			s.outside[in] = stampOf(in)
		}
	}
}

// moved reports whether such a file was changed since.
func (s *Source) moved() bool {
	for file, was := range s.outside {
		if stampOf(file) != was {
			return true
		}
	}
	return false
}

// shortRef is a ref's name for people.
func shortRef(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/tags/")
}
