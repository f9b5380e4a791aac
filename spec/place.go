package spec

import (
	"strconv"
	"strings"
)

// path addresses a value of a YAML document: keys of mappings, and "[2]" for
// items of sequences.
type path []string

// String joins p for people: services.was.volumes[2].
func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 && !isIndex(s) {
			b.WriteByte('.')
		}
		b.WriteString(s)
	}
	return b.String()
}

// with returns p and further segments in memory of its own.
func (p path) with(more ...string) path {
	out := make(path, 0, len(p)+len(more))
	return append(append(out, p...), more...)
}

func (p path) item(i int) path { return p.with("[" + strconv.Itoa(i) + "]") }

func (p path) key() string { return strings.Join(p, "\x00") }

func isIndex(segment string) bool { return strings.HasPrefix(segment, "[") }

// position is a place in a file.
type position struct {
	file         string
	line, column int
}

// index tells where each value of a model was written, by path.key.
type index map[string]position

// find returns the place of p, or of the nearest value around it.
func (x index) find(p path) position {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if at, ok := x[p.key()]; ok {
			return at
		}
	}
	return x[""]
}

// override takes over other's places; other is the model that wins in a merge.
// Of a sequence that both have, the first items are still x's: merging appends.
func (x index) override(other index) {
	for k, at := range other {
		last := k[strings.LastIndexByte(k, 0)+1:]
		if _, both := x[k]; both && isIndex(last) {
			continue
		}
		x[k] = at
	}
}

// underlay takes over other's places where x has none.
func (x index) underlay(other index) {
	for k, at := range other {
		if _, ok := x[k]; !ok {
			x[k] = at
		}
	}
}

// moved returns the part of x at or below from, as if it were at to.
func (x index) moved(from, to path) index {
	out := index{}
	prefix := from.key()
	for k, at := range x {
		if k == prefix || strings.HasPrefix(k, prefix+"\x00") {
			out[to.key()+k[len(prefix):]] = at
		}
	}
	return out
}
