package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/controller/source"
	"teal/spec"
)

// kept is what a source remembers over a restart: the commit in force.
type kept struct {
	Version   int       `json:"version"`
	URL       string    `json:"url"`
	Follow    string    `json:"follow"`
	Paths     []string  `json:"paths"`
	Ref       string    `json:"ref"`
	Object    string    `json:"object"`
	Commit    string    `json:"commit"`
	Author    string    `json:"author"`
	Subject   string    `json:"subject"`
	Signer    string    `json:"signer,omitempty"`
	Committed time.Time `json:"committed"`
	Parts     []part    `json:"parts"`
}

const (
	keptFile    = "source.json"
	keptVersion = 1
	keptExports = 3 // beside the one in force
)

// origin says where the projects in force come from.
func (k kept) origin(name string) spec.Origin {
	author, _, _ := strings.Cut(k.Author, " <")
	return spec.Origin{
		Source: name, Repository: k.URL, Ref: shortRef(k.Ref), Commit: k.Commit, Author: author, Subject: k.Subject,
		Signer: k.Signer, Committed: k.Committed,
	}
}

// save writes k so that a crash leaves the old or the new one.
func (k kept) save(folder string) error {
	text, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return fmt.Errorf("keep the commit: %w", err)
	}
	final := filepath.Join(folder, keptFile)
	f, err := os.OpenFile(final+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the commit: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep the commit: %w", err)
	}
	if err := os.Rename(final+".new", final); err != nil {
		return fmt.Errorf("keep the commit: %w", err)
	}
	return syncFolder(folder)
}

// readKept returns what was kept; ok is false if that is nothing that can be
// used, which costs no more than fetching it anew.
func readKept(folder string) (k kept, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(folder, keptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, false, nil
	}
	if err != nil {
		return kept{}, false, fmt.Errorf("read the commit that was kept: %w", err)
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, false, fmt.Errorf("read the commit that was kept: %w", err)
	}
	if k.Version != keptVersion || !isObject.MatchString(k.Commit) {
		return kept{}, false, nil
	}
	return k, true, nil
}

// recover goes on with the commit that was in force at the last stop, if it is
// of the same repository: no network is needed for that.
func (s *Source) recover(ctx context.Context, emit func(source.Update)) {
	k, ok, err := readKept(s.opts.Folder)
	if err != nil {
		s.log.Warn("last commit of a source is not known", "source", s.opts.Name, "error", err)
	}
	if !ok || k.URL != s.address.String() {
		return
	}
	s.kept = k
	if _, err := os.Stat(filepath.Join(s.revs(), k.Commit, s.opts.Name)); err != nil {
		s.log.Warn("export of a commit is gone, it is made anew", "source", s.opts.Name, "commit", short(k.Commit), "error", err)
		s.stale = true
		return
	}
	s.stale = !slices.Equal(k.Paths, s.opts.Paths)
	s.reload(ctx, emit)
	if ctx.Err() == nil && !s.stale {
		emit(source.Update{All: true, Parts: partNames(k.Parts), Prune: s.opts.Prune, At: time.Now().UTC()})
	}
}

func partNames(parts []part) []string {
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		out = append(out, p.Name)
	}
	return out
}

// sweep removes exports of commits that are long gone.
func (s *Source) sweep() error {
	entries, err := os.ReadDir(s.revs())
	if err != nil {
		return fmt.Errorf("list the exports: %w", err)
	}
	type export struct {
		name string
		made time.Time
	}
	var old []export
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name() == s.kept.Commit {
			continue
		}
		old = append(old, export{e.Name(), info.ModTime()})
	}
	slices.SortFunc(old, func(a, b export) int { return b.made.Compare(a.made) })
	for n, e := range old {
		if n < keptExports && !strings.HasPrefix(e.name, scratchPrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.revs(), e.name)); err != nil {
			return fmt.Errorf("remove an export: %w", err)
		}
	}
	return nil
}
