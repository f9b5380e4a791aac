package embedded

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

func numbered(seq uint64) reconcile.Table {
	return reconcile.Table{Seq: seq, Routes: []reconcile.Route{simpleRoute("web", "*", "/")}}
}

func TestShelfKeepsTheLastTwo(t *testing.T) {
	s := shelf{dir: t.TempDir()}
	if got := s.load(); got.found || got.fault != nil {
		t.Fatalf("an empty shelf: %+v", got)
	}
	for seq := range uint64(4) {
		must(t, s.save(numbered(seq+1), false))
	}
	if got := s.load(); got.fault != nil || !reflect.DeepEqual(got.table, numbered(4)) {
		t.Errorf("loaded %+v", got)
	}
	must(t, os.Remove(filepath.Join(s.dir, tableFile)))
	if got := s.load(); got.fault == nil || got.table.Seq != 3 {
		t.Errorf("without the newest table: %+v; want table 3 and a fault", got)
	}
}

// Cut at any length, or with any byte changed, the newest table is reported and
// the one before it serves; never an empty or another one.
func TestShelfNoticesEveryDamage(t *testing.T) {
	s := shelf{dir: t.TempDir()}
	must(t, s.save(numbered(1), false))
	must(t, s.save(numbered(2), false))
	name := filepath.Join(s.dir, tableFile)
	whole, err := os.ReadFile(name)
	must(t, err)
	check := func(what string, i int, data []byte) {
		must(t, os.WriteFile(name, data, 0o600))
		got := s.load()
		same := got.fault == nil && reflect.DeepEqual(got.table, numbered(2))
		if !same && (got.fault == nil || !reflect.DeepEqual(got.table, numbered(1))) {
			t.Errorf("%s %d: loaded table %d, fault %v", what, i, got.table.Seq, got.fault)
		}
	}
	for i := range len(whole) - 1 {
		check("cut at", i, whole[:i])
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		check("changed at", i, changed)
	}
}

func TestDamagedTableIsKeptAside(t *testing.T) {
	s := shelf{dir: t.TempDir()}
	must(t, s.save(numbered(1), false))
	must(t, s.save(numbered(2), false))
	must(t, os.WriteFile(filepath.Join(s.dir, tableFile), []byte("half"), 0o600))
	must(t, s.save(numbered(3), true))
	if data, err := os.ReadFile(filepath.Join(s.dir, damagedFile)); err != nil || string(data) != "half" {
		t.Errorf("the damaged table: %q, %v", data, err)
	}
	if before, err := s.read(previousFile); err != nil || before.Seq != 1 {
		t.Errorf("the good copy was replaced: table %d, %v", before.Seq, err)
	}
}

func TestApplyFailsWhenItCannotBeKept(t *testing.T) {
	p := startProxy(t, Config{})
	must(t, p.client.Apply(t.Context(), numbered(1)))
	must(t, os.RemoveAll(p.config.StateDir))
	err := p.client.Apply(t.Context(), numbered(2))
	if err == nil || errors.Is(err, ErrStale) || errors.Is(err, ErrInvalid) {
		t.Errorf("apply without a disk: %v", err)
	}
	if s, err := p.client.Read(t.Context()); err != nil || s.Table.Seq != 1 {
		t.Errorf("after it table %d is served, %v; want 1", s.Table.Seq, err)
	}
}

func FuzzDecodeTable(f *testing.F) {
	good, err := encodeTable(numbered(3))
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":1,"sha256":"","table":{}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeTable(data)
		if err != nil {
			return
		}
		must(t, table.Check(got))
		compile(got, testRegistry())
		again, err := encodeTable(got)
		must(t, err)
		back, err := decodeTable(again)
		must(t, err)
		if !reflect.DeepEqual(back, got) {
			t.Errorf("%+v came back as %+v", got, back)
		}
	})
}

// What passes the check can be served, whatever it says.
func FuzzCheckTable(f *testing.F) {
	f.Add("shop", "web", "*", "/", "127.0.0.1:80", "next.example.com", 100)
	f.Add("", "web", "A", "x", ":", "*", 50)
	f.Fuzz(func(t *testing.T, project, service, host, path, target, preview string, weight int) {
		r := simpleRoute(service, host, path)
		r.App.Project, r.Preview.Host = project, preview
		r.Backends[0].Targets, r.Backends[0].Weight = []string{target}, weight
		if table.Check(reconcile.Table{Seq: 1, Routes: []reconcile.Route{r}}) != nil {
			return
		}
		l := compile(reconcile.Table{Seq: 1, Routes: []reconcile.Route{r}}, testRegistry())
		if host == "*" {
			host = "any"
		}
		if rt, onPreview := l.match(table.HostOf(host), table.CleanPath(path)); rt == nil || rt.choose() == nil || onPreview && preview != table.HostOf(host) {
			t.Errorf("an accepted route is not found at its own host %q and path %q", host, path)
		}
	})
}
