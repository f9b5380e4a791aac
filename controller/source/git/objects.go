package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is what an object is.
type kind string

const (
	commitKind kind = "commit"
	tagKind    kind = "tag"
	treeKind   kind = "tree"
	blobKind   kind = "blob"
)

// errMissing says that an object was not fetched.
var errMissing = errors.New("the object is not here")

// objects are what was fetched.
type objects interface {
	// object returns one, as git hashes it. It is errMissing when it is not here,
	// and never asks the server for it.
	object(id string) (kind, []byte, error)
}

// clone is a copy of a part of a repository, which grows.
type clone interface {
	objects
	// pull brings the newest commit of a ref, and what is newer than since of its
	// history; zero: the commit alone. It returns what the ref points at.
	pull(ctx context.Context, ref string, since time.Time) (id string, err error)
	// deepen brings depth commits of a ref's history, without their files.
	deepen(ctx context.Context, ref string, depth int) error
	// bring fetches single files.
	bring(ctx context.Context, blobs []string) error
	// worn reports whether so much was fetched that a new copy costs less.
	worn() bool
	// rest lets go of what is only needed while reading.
	rest() error
	// close forgets the copy.
	close() error
}

// Commit is what a commit says of itself.
type Commit struct {
	ID      string
	Author  string // name <address>
	Subject string // first line of its message
	Time    time.Time
	Raw     []byte // as it was signed
	tree    string
	parents []string
}

// parseCommit reads a commit.
func parseCommit(id string, raw []byte) (Commit, error) {
	c := Commit{ID: id, Raw: raw}
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	for line := range strings.SplitSeq(string(head), "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.Author, _ = person(value)
		case "committer":
			_, c.Time = person(value)
		}
	}
	if !isObject.MatchString(c.tree) {
		return c, fmt.Errorf("commit %s names no tree", id)
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(string(message), "\n"), "\n")
	c.Subject = cleaned(subject)
	return c, nil
}

// person splits "name <address> seconds zone".
func person(text string) (string, time.Time) {
	end := strings.LastIndexByte(text, '>')
	if end < 0 {
		return cleaned(text), time.Time{}
	}
	seconds, _, _ := strings.Cut(strings.TrimSpace(text[end+1:]), " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return cleaned(text[:end+1]), time.Time{}
	}
	return cleaned(text[:end+1]), time.Unix(n, 0).UTC()
}

// tagOf reads what an annotated tag points at.
func tagOf(raw []byte) (id string, what kind) {
	for line := range strings.SplitSeq(string(raw), "\n") {
		key, value, ok := strings.Cut(line, " ")
		switch {
		case !ok:
			return id, what
		case key == "object":
			id = value
		case key == "type":
			what = kind(value)
		}
	}
	return id, what
}

// peeled follows tags to a commit, and returns the raw outermost tag.
func peeled(o objects, id string) (Commit, []byte, error) {
	var tag []byte
	for range 8 {
		what, raw, err := o.object(id)
		if err != nil {
			return Commit{}, nil, fmt.Errorf("read %s: %w", id, err)
		}
		switch what {
		case commitKind:
			c, err := parseCommit(id, raw)
			return c, tag, err
		case tagKind:
			if tag == nil {
				tag = raw
			}
			if id, _ = tagOf(raw); !isObject.MatchString(id) {
				return Commit{}, nil, errors.New("the tag points at nothing")
			}
		case treeKind, blobKind:
			return Commit{}, nil, fmt.Errorf("%s is a %s, not a commit", id, what)
		}
	}
	return Commit{}, nil, errors.New("the tag is of a tag of a tag, too often")
}

// entry is one name in a tree.
type entry struct {
	name string
	mode string // "100644", "40000" …
	id   string
}

func (e entry) isTree() bool { return e.mode == "40000" }
func (e entry) isFile() bool { return e.mode == "100644" || e.mode == "100755" || e.mode == "100664" }
func (e entry) isLink() bool { return e.mode == "120000" }

// words says what an entry is, for people.
func (e entry) words() string {
	switch {
	case e.isLink():
		return "a symbolic link"
	case e.mode == "160000":
		return "a submodule"
	case e.isTree():
		return "a folder"
	}
	return "a file"
}

// parseTree reads a tree. Names that could lead out of a folder are refused.
func parseTree(raw []byte, hashed int) ([]entry, error) {
	var out []entry
	for len(raw) > 0 {
		head, rest, ok := bytes.Cut(raw, []byte{0})
		mode, name, named := strings.Cut(string(head), " ")
		if !ok || !named || len(rest) < hashed {
			return nil, errors.New("a tree is not whole")
		}
		if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
			return nil, fmt.Errorf("a tree holds the name %q", name)
		}
		out = append(out, entry{name: name, mode: strings.TrimLeft(mode, "0"), id: fmt.Sprintf("%x", rest[:hashed])})
		raw = rest[hashed:]
	}
	return out, nil
}

// list returns the entries of a tree.
func list(o objects, id string) ([]entry, error) {
	what, raw, err := o.object(id)
	if err != nil {
		return nil, fmt.Errorf("read folder %s: %w", id, err)
	}
	if what != treeKind {
		return nil, fmt.Errorf("%s is a %s, not a folder", id, what)
	}
	return parseTree(raw, len(id)/2)
}

// lineage is how a commit stands to an earlier one.
type lineage int

const (
	descends  lineage = iota // it follows from it
	differs                  // it does not, as all of its history shows
	uncertain                // what was fetched does not tell
)

// maxHistory bounds how many commits are looked at.
const maxHistory = 50_000

// ancestry looks for old in the history of c, as far as that is here.
func ancestry(o objects, c Commit, old string) (lineage, error) {
	seen, next, cut := map[string]bool{}, []string{c.ID}, false
	for len(next) > 0 && len(seen) < maxHistory {
		id := next[0]
		next = next[1:]
		if id == old {
			return descends, nil
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		what, raw, err := o.object(id)
		if errors.Is(err, errMissing) {
			cut = true
			continue
		}
		if err != nil {
			return uncertain, err
		}
		if what != commitKind {
			return uncertain, fmt.Errorf("%s is a %s, not a commit", id, what)
		}
		parsed, err := parseCommit(id, raw)
		if err != nil {
			return uncertain, err
		}
		next = append(next, parsed.parents...)
	}
	if cut || len(next) > 0 {
		return uncertain, nil
	}
	return differs, nil
}
