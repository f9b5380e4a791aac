package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestALoopInTheTreeEnds(t *testing.T) {
	path, sound := filled(t)
	m, err := newestMeta(bytes.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	root := sound[m.root*4096:]
	order.PutUint16(root[8:], flagBranch)
	order.PutUint16(root[10:], 1)
	order.PutUint32(root[16:], 16)     // pos
	order.PutUint32(root[20:], 1)      // ksize
	order.PutUint64(root[24:], m.root) // itself
	overwrite(t, path, sound)
	var damaged *DamagedError
	if _, err := Open(path, Options{}); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
}

// bucketRoots returns the offsets in raw of the root page numbers of top-level
// buckets that have pages of their own.
func bucketRoots(t *testing.T, raw []byte) []uint64 {
	t.Helper()
	m, err := newestMeta(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	base := m.root * 4096
	var out []uint64
	for i := range uint64(order.Uint16(raw[base+10:])) {
		at := base + pageHeader + i*elementSize
		value := at + uint64(order.Uint32(raw[at+4:])) + uint64(order.Uint32(raw[at+8:]))
		if order.Uint64(raw[value:]) != 0 {
			out = append(out, value)
		}
	}
	return out
}

func TestPagesThatBboltWouldWriteOverAreFound(t *testing.T) {
	path, sound := filled(t)
	m, err := newestMeta(bytes.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	free := m.freelist*4096 + pageHeader
	roots := bucketRoots(t, sound)
	if order.Uint16(sound[free-6:]) == 0 || len(roots) < 2 {
		t.Fatal("the store has no free page, or not two buckets with pages")
	}
	for name, damage := range map[string]func(raw []byte){
		"is in use twice":              func(raw []byte) { copy(raw[roots[1]:], raw[roots[0]:roots[0]+8]) },
		"is listed as free and is not": func(raw []byte) { order.PutUint64(raw[free:], m.root) },
	} {
		raw := bytes.Clone(sound)
		damage(raw)
		overwrite(t, path, raw)
		_, err := Open(path, Options{})
		var damaged *DamagedError
		if !errors.As(err, &damaged) || !strings.Contains(damaged.Words, name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
