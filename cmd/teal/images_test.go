package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"

	"teal/deploy/docker/dockertest"
)

// fromRegistry is a desired state whose image comes from a registry and whose
// old colour is not kept.
func (l *lab) fromRegistry(ref string) string {
	text := strings.Replace(l.wants(ref), "pull_policy: never", "pull_policy: missing", 1)
	text = strings.Replace(text, "deadline: 5s", "deadline: 2m", 1)
	return strings.Replace(text, "standby: 1m", "standby: 0s", 1)
}

// versionsHere are the versions of an image that the engine has.
func versionsHere(t testing.TB, repository string) string {
	t.Helper()
	list, err := dockertest.Client(t).ImageList(t.Context(), dockerimage.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, img := range list {
		for _, tag := range img.RepoTags {
			if version, ok := strings.CutPrefix(tag, repository+":"); ok {
				out = append(out, version)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestImagesOfEarlierVersionsAreRemoved(t *testing.T) {
	server := dockertest.Registry(t, nil)
	l := newLab(t)
	repository := server.Address + "/" + l.project
	refs := map[string]string{}
	roll := func(version string) {
		t.Helper()
		refs[version], _ = server.Push(t, l.project+":"+version, dockertest.Options{Env: map[string]string{"VERSION": version, "OF": l.id}})
		l.edit(l.fromRegistry(refs[version]))
		if l.process == nil {
			l.start("--images-keep", "0")
		}
		l.served(version)
		l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	}
	client := dockertest.Client(t)
	for n := range 5 {
		version := fmt.Sprint("v", n+1)
		roll(version)
		switch version {
		case "v1": // somebody's container, which does not run
			made, err := client.ContainerCreate(t.Context(), &container.Config{Image: refs[version], Labels: map[string]string{dockertest.LabelTest: dockertest.Label(t)}}, nil, nil, nil, "")
			if err != nil {
				t.Fatal(err, made)
			}
		case "v2": // somebody's tag
			if err := client.ImageTag(t.Context(), refs[version], "elsewhere/"+l.project+":v2"); err != nil {
				t.Fatal(err)
			}
		}
	}
	// v5 serves, undo would go to v4.
	const want = "v1 v2 v4 v5"
	l.until("v3 is removed and all else stays", func() error {
		if got := versionsHere(t, repository); got != want {
			return errors.New(got)
		}
		return nil
	})
	l.teal("events").expect(t, exitDone, "ImagesRemoved", refs["v3"])
	l.teal("doctor", "--http", l.address).expect(t, exitDone, "room for pulls", "of which a pull must leave 1GiB", "records")

	// What undo would go back to was removed by hand: it is pulled again.
	if _, err := client.ImageRemove(t.Context(), refs["v4"], dockerimage.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	l.teal("undo").expect(t, exitDone, "undo took effect")
	l.served("v4")
	if got := versionsHere(t, repository); !strings.Contains(got, "v4") {
		t.Errorf("here are %s", got)
	}
}

// Before undo can go back, its image was removed by hand and its registry
// knows it no more: what serves goes on, and undo says what is wrong.
func TestUndoSaysThatItCannotBringAnImageBack(t *testing.T) {
	server := dockertest.Registry(t, nil)
	l := newLab(t)
	v1, _ := server.Push(t, l.project+"-old:v1", dockertest.Options{Env: map[string]string{"VERSION": "v1", "OF": l.id}})
	local := dockertest.Image(t, "v2", dockertest.Options{Env: map[string]string{"VERSION": "v2", "OF": l.id}})
	v3, _ := server.Push(t, l.project+":v3", dockertest.Options{Env: map[string]string{"VERSION": "v3", "OF": l.id}})
	l.edit(l.fromRegistry(v1))
	l.start("--images-keep", "0")
	l.served("v1")
	l.edit(l.fromRegistry(local))
	l.served("v2")
	l.edit(l.fromRegistry(v3))
	l.served("v3")
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	if _, err := dockertest.Client(t).ImageRemove(t.Context(), local, dockerimage.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	r := l.teal("undo")
	r.expect(t, exitFailed, "is not on this host any more, and no registry knows it")
	l.served("v3")
}
