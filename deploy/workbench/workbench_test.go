package workbench_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
	"teal/spec"
)

func open(t *testing.T) *workbench.Bench {
	t.Helper()
	b, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestImageIsMadeStartedAndRemoved(t *testing.T) {
	b, purpose := open(t), "test-"+dockertest.Unique()
	app, err := os.ReadFile(dockertest.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	ref := "teal-workbench-" + purpose + ":v1"
	img := workbench.Image{Ref: ref, For: purpose, Binary: app, Env: map[string]string{"VERSION": `1 "quoted" $x`}}
	const times = 2 // a reference that is taken moves
	for range times {
		if err := b.Make(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
	took, err := b.StartUp(t.Context(), ref, "bridge", purpose)
	if err != nil || took <= 0 || took > time.Minute {
		t.Fatalf("start-up took %s, %v", took, err)
	}
	left, err := b.Remove(t.Context(), workbench.LabelMade, purpose)
	if err != nil || left.Containers != 0 {
		t.Fatalf("start-up left %+v, %v", left, err)
	}
	if n, err := b.RemoveImages(t.Context(), purpose); err != nil || n != times {
		t.Fatalf("removed %d images, %v; want %d", n, err, times)
	}
	if _, err := b.StartUp(t.Context(), ref, "bridge", purpose); err == nil || !strings.Contains(err.Error(), "create a container of "+ref) {
		t.Fatalf("start-up of a removed image: %v", err)
	}
}

func TestImageOfThisMachinesNginx(t *testing.T) {
	b, purpose := open(t), "test-"+dockertest.Unique()
	ref := "teal-workbench-" + purpose + ":nginx"
	t.Cleanup(func() {
		if n, err := b.RemoveImages(context.Background(), purpose); err != nil || n != 1 {
			t.Errorf("removed %d images, %v; want 1", n, err)
		}
	})
	if err := b.MakeNginx(t.Context(), ref, purpose); err != nil {
		t.Fatal(err)
	}
	if took, err := b.StartUp(t.Context(), ref, "bridge", purpose); err != nil || took <= 0 {
		t.Fatalf("start-up took %s, %v", took, err)
	}
}

func TestRemoveWantsALabel(t *testing.T) {
	b := open(t)
	for _, c := range [][2]string{{"", "x"}, {spec.LabelController, ""}} {
		if _, err := b.Remove(t.Context(), c[0], c[1]); err == nil {
			t.Errorf("remove by %q=%q was accepted", c[0], c[1])
		}
	}
}

func TestVersionNamesEngineAndAPI(t *testing.T) {
	v, err := open(t).Version(t.Context())
	if err != nil || !strings.Contains(v, "(API ") {
		t.Errorf("version %q, %v", v, err)
	}
}
