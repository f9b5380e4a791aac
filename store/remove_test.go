package store

import (
	"testing"
	"time"

	"teal/spec"
)

func TestRemovePrunesAWholeProject(t *testing.T) {
	db, err := Open(t.TempDir()+"/teal.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	service := func(p, s string) spec.Service {
		return spec.Service{Name: spec.Name{Project: p, Service: s}, Container: spec.Container{Image: "i"}, Replicas: 1}
	}
	now := time.Now()
	for _, p := range []string{"p", "q"} {
		if _, err := db.Accept(spec.Project{Name: p, Services: []spec.Service{service(p, "a"), service(p, "b")}}, false, nil, now); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Remove("p", now)
	if err != nil || len(got) != 2 || !got[0].Pruned || !got[0].Changed || got[0].Generation != 2 {
		t.Fatalf("Remove = %+v, %v", got, err)
	}
	projects, err := db.Projects()
	if err != nil || len(projects) != 1 || projects[0].Name != "q" {
		t.Errorf("projects left: %+v, %v", projects, err)
	}
	state, ok, err := db.Load(spec.Name{Project: "q", Service: "a"})
	if err != nil || !ok || state.Desired.Pruned {
		t.Errorf("another project was touched: %+v, %t, %v", state.Desired, ok, err)
	}
	if again, err := db.Remove("p", now); err != nil || again[0].Changed {
		t.Errorf("Remove again = %+v, %v; want no change", again, err)
	}
	if none, err := db.Remove("never", now); err != nil || len(none) != 0 {
		t.Errorf("Remove of an unknown project = %+v, %v", none, err)
	}
}
