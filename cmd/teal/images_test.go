package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
)

// TestImagesOfEarlierVersionsGo updates an app again and again from a real
// registry: what serves, what undo goes back to and one more stay on the host.
// What somebody removed by hand is pulled again by an undo.
func TestImagesOfEarlierVersionsGo(t *testing.T) {
	l := newLab(t)
	registry := dockertest.Registry(t, nil)
	const versions = 5
	refs, digests := make([]string, versions+1), make([]string, versions+1)
	for v := 1; v <= versions; v++ {
		image := fmt.Sprintf("web:v%d", v)
		ref, digest := registry.Push(t, image, dockertest.Options{Env: map[string]string{"VERSION": image[4:]}})
		refs[v], digests[v] = ref, registry.Address+"/web@"+digest
	}
	l.edit(l.pulls(refs[1]))
	l.start("--images-keep", "1")
	for v := 1; v <= versions; v++ {
		l.edit(l.pulls(refs[v]))
		l.served(fmt.Sprintf("v%d", v))
		if r := l.teal("wait", "--for=synced"); r.code != exitDone {
			t.Fatalf("v%d: %s%s", v, r.out, r.err)
		}
	}
	l.until("the images of v1 and v2 are gone", func() error {
		if dockertest.HasImage(t, digests[1]) || dockertest.HasImage(t, digests[2]) {
			return errors.New("there they are: " + l.teal("events").out)
		}
		return nil
	})
	for _, v := range []int{3, 4, 5} {
		if !dockertest.HasImage(t, digests[v]) {
			t.Errorf("the image of v%d was removed: %s", v, l.teal("events").out)
		}
	}
	if out := l.teal("events").out; !strings.Contains(out, "ImagesRemoved") {
		t.Errorf("no event tells of it: %s", out)
	}

	dockertest.DropImage(t, digests[4])
	dockertest.DropImage(t, refs[4])
	if dockertest.HasImage(t, digests[4]) {
		t.Fatal("the image of v4 is still there")
	}
	if r := l.teal("undo"); r.code != exitDone {
		t.Fatalf("undo to an image that was removed by hand: %s%s", r.out, r.err)
	}
	l.served("v4")
	if !dockertest.HasImage(t, digests[4]) {
		t.Error("v4 serves without its image")
	}
}

// pulls is a desired state whose image comes from a registry, and which keeps
// nothing of the old colour.
func (l *lab) pulls(image string) string {
	return strings.NewReplacer("    pull_policy: never\n", "", "standby: 1m", "standby: 0s").Replace(l.wants(image))
}
