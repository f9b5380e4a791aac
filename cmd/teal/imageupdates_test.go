package main

import (
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
)

// TestANewerTagIsRolledOut: from a push to a registry to traffic, over a kill.
func TestANewerTagIsRolledOut(t *testing.T) {
	registry := dockertest.Registry(t, nil)
	version := func(v string) dockertest.Options { return dockertest.Options{Env: map[string]string{"VERSION": v}} }
	ref, _ := registry.Push(t, "shop/web:1.4.2", version("v1"))
	l := newLab(t)
	wish := strings.Replace(l.wants(ref, `image_policy: {tags: "^1.4", every: 10s}`), "pull_policy: never", "pull_policy: missing", 1)
	l.edit(wish)
	l.start()
	l.served("v1")
	registry.Push(t, "shop/web:1.5.0", version("v2"))
	registry.Push(t, "shop/web:2.0.0", version("v3"))
	l.served("v2")
	l.kill()
	l.start()
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v2")
	l.teal("events").expect(t, exitDone, "image policy ^1.4: "+registry.Address+"/shop/web:1.5.0 is there")
}
