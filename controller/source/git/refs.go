package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Follow says which ref of a repository is followed. At most one field is set;
// none: the branch that the server calls its own.
type Follow struct {
	Branch string
	Tag    string
	Tags   string // the newest tag of this range of versions: "^1.4", ">=2.0 <3", "1.x"
}

// server is asked what its refs are.
type server interface {
	// refs returns the refs that begin with prefixes, and perhaps others.
	refs(ctx context.Context, prefixes []string) ([]Ref, error)
}

// check refuses what cannot be followed.
func (f Follow) check() error {
	given := 0
	for _, s := range []string{f.Branch, f.Tag, f.Tags} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("branch, tag and tags cannot be given together")
	}
	for _, name := range []string{f.Branch, f.Tag} {
		if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") || strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.Contains(name, "..") {
			return fmt.Errorf("%q is not the name of a branch or tag", name)
		}
	}
	if _, err := semver.NewConstraint(f.Tags); f.Tags != "" && err != nil {
		return fmt.Errorf("tags: %q is not a range of versions such as ^1.4 or >=2.0 <3: %w", f.Tags, err)
	}
	return nil
}

// String says what is followed, for people.
func (f Follow) String() string {
	switch {
	case f.Branch != "":
		return "branch " + f.Branch
	case f.Tag != "":
		return "tag " + f.Tag
	case f.Tags != "":
		return "tags " + f.Tags
	}
	return "the default branch"
}

func (f Follow) prefixes() []string {
	switch {
	case f.Branch != "":
		return []string{"refs/heads/" + f.Branch}
	case f.Tag != "":
		return []string{"refs/tags/" + f.Tag}
	case f.Tags != "":
		return []string{"refs/tags/"}
	}
	return []string{"HEAD"}
}

// choose picks the ref to follow of those that a server tells.
func (f Follow) choose(refs []Ref) (Ref, error) {
	if f.Tags != "" {
		return f.newest(refs)
	}
	want := f.prefixes()[0]
	for _, r := range refs {
		if r.Name != want {
			continue
		}
		if r.Target != "" {
			r.Name = r.Target
		}
		return r, nil
	}
	if want == "HEAD" {
		return Ref{}, &FollowError{Reason: ReasonRefGone, Message: "the repository has no commit yet, or no default branch", Hint: "push one, or name a branch"}
	}
	return Ref{}, &FollowError{Reason: ReasonRefGone, Message: "the repository has no " + f.String(), Hint: "push it, or name another one"}
}

// newest picks the highest version of the range. Tags that are no versions are
// passed over.
func (f Follow) newest(refs []Ref) (Ref, error) {
	within, err := semver.NewConstraint(f.Tags)
	if err != nil {
		return Ref{}, fmt.Errorf("read the range %s: %w", f.Tags, err)
	}
	var best Ref
	var version *semver.Version
	for _, r := range refs {
		name, isTag := strings.CutPrefix(r.Name, "refs/tags/")
		v, err := semver.NewVersion(name)
		if !isTag || err != nil || !within.Check(v) {
			continue
		}
		if version == nil || v.GreaterThan(version) || v.Equal(version) && r.Name < best.Name {
			best, version = r, v
		}
	}
	if version == nil {
		return Ref{}, &FollowError{Reason: ReasonRefGone, Message: "the repository has no tag that is a version of the range " + f.Tags}
	}
	return best, nil
}

// downgrades reports whether a tag of a range is of an earlier version than the
// one that was followed: that one is gone.
func (f Follow) downgrades(from, to string) bool {
	if f.Tags == "" {
		return false
	}
	before, errBefore := semver.NewVersion(strings.TrimPrefix(from, "refs/tags/"))
	after, errAfter := semver.NewVersion(strings.TrimPrefix(to, "refs/tags/"))
	return errBefore == nil && errAfter == nil && after.LessThan(before)
}

// localServer asks a repository of this machine, by the system's git.
type localServer struct{ program *program }

func (l *localServer) refs(ctx context.Context, prefixes []string) ([]Ref, error) {
	args := []string{"ls-remote", "--symref", "--", l.program.address.String()}
	for _, p := range prefixes {
		if strings.HasSuffix(p, "/") {
			p += "*"
		}
		args = append(args, p)
	}
	var out bytes.Buffer
	if err := l.program.run(ctx, order{args: args, output: &out}); err != nil {
		if own, ok := errors.AsType[*commandError](err); ok {
			return nil, &FollowError{Reason: ReasonNoRepository, Message: cleaned(own.said), Err: err}
		}
		return nil, err
	}
	return localRefs(out.String()), nil
}

// localRefs reads what git ls-remote prints.
func localRefs(text string) []Ref {
	var out []Ref
	target := ""
	for line := range strings.Lines(text) {
		object, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if to, symbolic := strings.CutPrefix(object, "ref: "); symbolic {
			target = to
			continue
		}
		if peeled, isPeel := strings.CutSuffix(name, "^{}"); isPeel && len(out) > 0 && out[len(out)-1].Name == peeled {
			out[len(out)-1].Commit = object
			continue
		}
		if ok && isObject.MatchString(object) {
			out = append(out, Ref{Name: name, Object: object, Commit: object, Target: target})
			target = ""
		}
	}
	return out
}
