package git

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"teal/spec"
)

// part is one project of a repository: the Compose files that make it.
type part struct {
	Name  string   `json:"name"`  // path of the first file
	Files []string `json:"files"` // later ones are merged over earlier ones
}

// options are those of the loader for a part that was exported to root.
func (p part) options(root string) spec.Options {
	out := spec.Options{Dir: root}
	for _, f := range p.Files {
		out.Files = append(out.Files, filepath.Join(root, filepath.FromSlash(f)))
	}
	return out
}

// composeNames are the files that make a folder a project, the first one wins.
var composeNames = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// CheckPath refuses a path that can match nothing.
func CheckPath(p string) error {
	clean := path.Clean(p)
	if path.IsAbs(p) || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("path %q leads out of the repository; it begins at the repository's root", p)
	}
	for seg := range strings.SplitSeq(clean, "/") {
		if _, err := path.Match(seg, ""); err != nil {
			return fmt.Errorf("path %q: %w", p, err)
		}
	}
	return nil
}

// parts finds the projects that the paths name. What a pattern matches beside
// Compose files is left alone; what is named without a pattern must be there.
func (s *snapshot) parts(paths []string) ([]part, error) {
	found := map[string]part{}
	for _, p := range paths {
		clean := path.Clean(p)
		names, err := s.match(".", strings.Split(clean, "/"))
		if err != nil {
			return nil, err
		}
		some := false
		for _, name := range names {
			one, ok, err := s.partAt(name, isPattern(clean))
			if err != nil {
				return nil, err
			}
			if ok {
				found[one.Name], some = one, true
			}
		}
		if !some {
			return nil, &FollowError{
				Reason: ReasonNothing, Message: fmt.Sprintf("path %s matches no Compose file in commit %s", p, short(s.commit.ID)),
				Hint: "nothing is changed by that, and nothing removed",
			}
		}
	}
	out := make([]part, 0, len(found))
	for _, p := range found {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func isPattern(p string) bool { return strings.ContainsAny(p, `*?[\`) }

// match returns the paths that segments match, below dir. ** is any number of
// folders.
func (s *snapshot) match(dir string, segments []string) ([]string, error) {
	if len(segments) == 0 || segments[0] == "." {
		return []string{dir}, nil
	}
	at, ok, err := s.find(dir)
	if err != nil || !ok || !at.isTree() {
		return nil, err
	}
	entries, err := s.list(at.id)
	if err != nil {
		return nil, err
	}
	var out []string
	if segments[0] == "**" {
		if out, err = s.match(dir, segments[1:]); err != nil {
			return nil, err
		}
	}
	for _, e := range entries {
		rest := segments[1:]
		if segments[0] == "**" {
			if !e.isTree() {
				continue
			}
			rest = segments
		} else if ok, _ := path.Match(segments[0], e.name); !ok {
			continue
		}
		below, err := s.match(join(dir, e.name), rest)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// partAt makes a project of a file or a folder.
func (s *snapshot) partAt(name string, loose bool) (part, bool, error) {
	e, ok, err := s.find(name)
	switch {
	case err != nil || !ok:
		return part{}, false, err
	case e.isTree():
		return s.folderPart(name)
	case !e.isFile():
		return part{}, false, &FollowError{Reason: ReasonNothing, Message: fmt.Sprintf("%s is %s, which is not followed", name, e.words())}
	}
	base := path.Base(name)
	ext := path.Ext(base)
	if loose && (ext != ".yaml" && ext != ".yml" || strings.HasSuffix(strings.TrimSuffix(base, ext), ".override")) {
		return part{}, false, nil
	}
	if slices.Contains(composeNames, base) {
		return s.withOverride(name)
	}
	return part{Name: name, Files: []string{name}}, true, nil
}

// folderPart makes a project of a folder, as Compose does.
func (s *snapshot) folderPart(dir string) (part, bool, error) {
	for _, base := range composeNames {
		name := join(dir, base)
		e, ok, err := s.find(name)
		if err != nil {
			return part{}, false, err
		}
		if ok && e.isFile() {
			return s.withOverride(name)
		}
		if ok {
			return part{}, false, &FollowError{Reason: ReasonNothing, Message: fmt.Sprintf("%s is %s, which is not followed", name, e.words())}
		}
	}
	return part{}, false, nil
}

// withOverride adds the file that Compose merges over name.
func (s *snapshot) withOverride(name string) (part, bool, error) {
	out := part{Name: name, Files: []string{name}}
	ext := path.Ext(name)
	for _, e := range slices.Compact([]string{ext, ".yml", ".yaml"}) {
		over := strings.TrimSuffix(name, ext) + ".override" + e
		at, ok, err := s.find(over)
		if err != nil {
			return part{}, false, err
		}
		if ok && at.isFile() {
			out.Files = append(out.Files, over)
			return out, true, nil
		}
	}
	return out, true, nil
}

// short is a commit's name for people.
func short(id string) string { return id[:min(len(id), 12)] }
