package git

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Ref is a ref as a server tells it.
type Ref struct {
	Name   string
	Object string // what it points at: a commit, or an annotated tag
	Commit string // what that is in the end, if the server says so; else Object
	Target string // of a symbolic ref
}

// maxRefs bounds how many refs of one answer are kept.
const maxRefs = 100_000

// isObject matches object names of both kinds of repository.
var isObject = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// advertised is how a server begins: with what it can, or with its refs.
type advertised struct {
	v2     bool
	format string // of object names; empty: sha1
	refs   []Ref  // of a server that does not speak version 2
}

// readAdvert reads a server's first words.
func readAdvert(in *bufio.Reader) (advertised, error) {
	p := packets{in}
	line, more, err := p.next()
	if err != nil {
		return advertised{}, err
	}
	if strings.HasPrefix(line, "# service=") { // over HTTP this comes first, and a flush
		if _, _, err := p.next(); err != nil {
			return advertised{}, err
		}
		if line, more, err = p.next(); err != nil {
			return advertised{}, err
		}
	}
	if line == "version 1" {
		if line, more, err = p.next(); err != nil {
			return advertised{}, err
		}
	}
	if line == "version 2" {
		return readAbilities(p)
	}
	return readOldRefs(p, line, more)
}

func readAbilities(p packets) (advertised, error) {
	out := advertised{v2: true}
	for {
		line, more, err := p.next()
		if err != nil || !more {
			return out, err
		}
		if format, ok := strings.CutPrefix(line, "object-format="); ok && format != "sha1" {
			out.format = format
		}
	}
}

// readOldRefs reads all refs of a server that can only tell them all.
func readOldRefs(p packets, line string, more bool) (advertised, error) {
	var out advertised
	targets := map[string]string{}
	for first := true; more; first = false {
		text, abilities, _ := strings.Cut(line, "\x00")
		if first {
			for a := range strings.FieldsSeq(abilities) {
				if pair, ok := strings.CutPrefix(a, "symref="); ok {
					from, to, _ := strings.Cut(pair, ":")
					targets[from] = to
				}
			}
		}
		object, name, ok := strings.Cut(text, " ")
		if !ok || !isObject.MatchString(object) || len(out.refs) >= maxRefs {
			return out, errProtocol
		}
		if peeled, isPeel := strings.CutSuffix(name, "^{}"); !isPeel {
			out.refs = append(out.refs, Ref{Name: name, Object: object, Commit: object, Target: targets[name]})
		} else if n := len(out.refs) - 1; n >= 0 && out.refs[n].Name == peeled {
			out.refs[n].Commit = object
		}
		var err error
		if line, more, err = p.next(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// lsRefs is the request for the refs that begin with prefixes.
func lsRefs(format string, prefixes []string) string {
	var b strings.Builder
	b.WriteString(packet("command=ls-refs\n") + packet("agent=teal\n"))
	if format != "" {
		b.WriteString(packet("object-format=" + format + "\n"))
	}
	b.WriteString(delimiter + packet("peel\n") + packet("symrefs\n"))
	for _, p := range prefixes {
		b.WriteString(packet("ref-prefix " + p + "\n"))
	}
	return b.String() + flush
}

// readRefs reads the answer to lsRefs.
func readRefs(in io.Reader) ([]Ref, error) {
	p := packets{bufio.NewReader(in)}
	var out []Ref
	for {
		line, more, err := p.next()
		if err != nil || !more {
			return out, err
		}
		r, err := readRef(line)
		if err != nil {
			return nil, err
		}
		if out = append(out, r); len(out) > maxRefs {
			return nil, fmt.Errorf("the repository has more than %d such refs", maxRefs)
		}
	}
}

func readRef(line string) (Ref, error) {
	words := strings.Split(line, " ")
	if len(words) < 2 || !isObject.MatchString(words[0]) {
		return Ref{}, errProtocol
	}
	r := Ref{Object: words[0], Commit: words[0], Name: words[1]}
	for _, w := range words[2:] {
		if peeled, ok := strings.CutPrefix(w, "peeled:"); ok && isObject.MatchString(peeled) {
			r.Commit = peeled
		}
		if to, ok := strings.CutPrefix(w, "symref-target:"); ok {
			r.Target = to
		}
	}
	return r, nil
}
