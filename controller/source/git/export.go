package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"teal/spec"
)

// Limits of what one commit is exported of.
const (
	maxFile   = 1 << 20 // bytes of a file: more is never read
	maxFiles  = 4096    // files of one commit
	maxRounds = 16      // of reading, and finding out what else is read
)

// snapshot is one commit, of which files are written into a folder as they turn
// out to be needed.
type snapshot struct {
	clone  clone
	commit Commit
	folder string // where the repository's root is written to
	trees  map[string][]entry
	done   map[string]bool // paths that were written
}

// find returns the entry of a path in the repository; ok is false if there is
// none. It does not follow links.
func (s *snapshot) find(name string) (entry, bool, error) {
	at := entry{mode: "40000", id: s.commit.tree}
	if name == "." || name == "" {
		return at, true, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !at.isTree() {
			return at, at.isLink() || at.mode == "160000", nil // the reader is told what is in the way
		}
		entries, err := s.list(at.id)
		if err != nil {
			return entry{}, false, err
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == part })
		if i < 0 {
			return entry{}, false, nil
		}
		at = entries[i]
	}
	return at, true, nil
}

func (s *snapshot) list(id string) ([]entry, error) {
	if known, ok := s.trees[id]; ok {
		return known, nil
	}
	entries, err := list(s.clone, id)
	if err == nil {
		s.trees[id] = entries
	}
	return entries, err
}

// want writes those of the paths that are files and were not written yet, and
// reports whether there were any.
func (s *snapshot) want(ctx context.Context, paths []string) (bool, error) {
	need := map[string]entry{}
	for _, p := range paths {
		if s.done[p] {
			continue
		}
		e, ok, err := s.find(p)
		if err != nil {
			return false, err
		}
		if ok && e.isFile() {
			need[p] = e
		}
	}
	if len(s.done)+len(need) > maxFiles {
		return false, fmt.Errorf("the projects read more than %d files", maxFiles)
	}
	if len(need) == 0 {
		return false, nil
	}
	if err := s.fetchMissing(ctx, need); err != nil {
		return false, err
	}
	for p, e := range need {
		if err := s.write(p, e); err != nil {
			return false, err
		}
		s.done[p] = true
	}
	return true, nil
}

// fetchMissing fetches what is not here of some files, in one go.
func (s *snapshot) fetchMissing(ctx context.Context, need map[string]entry) error {
	var missing []string
	for _, e := range need {
		_, _, err := s.clone.object(e.id)
		if errors.Is(err, errMissing) {
			missing = append(missing, e.id)
		} else if err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return s.clone.bring(ctx, slices.Compact(missing))
}

// write writes one file. Its folders are made inside the export and nowhere else.
func (s *snapshot) write(name string, e entry) (err error) {
	what, content, err := s.clone.object(e.id)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if what != blobKind {
		return fmt.Errorf("read %s: it is a %s", name, what)
	}
	if len(content) > maxFile {
		content = content[:maxFile+1] // the loader says that it is too large
	}
	root, err := os.OpenRoot(s.folder)
	if err != nil {
		return fmt.Errorf("open the export: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	at := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	f, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	return nil
}

// complete writes all that the projects read: what reading one asks for and the
// repository has is written, until nothing more is asked for.
func (s *snapshot) complete(ctx context.Context, parts []part, load Loader) error {
	var paths []string
	for _, p := range parts {
		paths = append(paths, p.Files...)
	}
	more, err := s.want(ctx, paths)
	for round := 0; err == nil && more && round < maxRounds; round++ {
		var asked []string
		for _, p := range parts {
			asked = append(asked, s.asked(ctx, p, load)...)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		more, err = s.want(ctx, asked)
	}
	return err
}

// asked returns what reading a project asks for, as paths in the repository.
func (s *snapshot) asked(ctx context.Context, p part, load Loader) []string {
	project, err := load(ctx, p.options(s.folder))
	var inputs []string
	var refused *spec.Error
	switch {
	case err == nil:
		inputs = project.Source.Inputs
	case errors.As(err, &refused):
		inputs = refused.Source.Inputs
	}
	var out []string
	for _, in := range inputs {
		rel, err := filepath.Rel(s.folder, in)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			out = append(out, filepath.ToSlash(rel))
		}
	}
	return out
}

// publish gives a finished export its name. What was there under it is replaced:
// it is of the same commit.
func publish(temporary, final string) error {
	for dir := range folders(temporary) {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(final); err == nil {
		aside := temporary + ".old"
		if err := os.Rename(final, aside); err != nil {
			return fmt.Errorf("replace an export: %w", err)
		}
		defer os.RemoveAll(aside) //nolint:errcheck // what is left is removed with the next commit
	}
	if err := os.Rename(temporary, final); err != nil {
		return fmt.Errorf("finish an export: %w", err)
	}
	return syncFolder(filepath.Dir(final))
}

// folders are all folders at and below dir.
func folders(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		_ = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && !yield(at) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// syncFolder makes the names in a folder outlive a loss of power.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keep an export: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep an export: %w", err)
	}
	return nil
}

// join is path.Join for parts of a repository, where "." is the root.
func join(dir, name string) string { return path.Join(dir, name) }
