package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"teal/deploy/workbench"
)

// purpose marks this demo's images.
func (d *demo) purpose() string { return "demo in " + d.folder }

// versions are the images of the demo by tag, as environments of the same app.
var versions = map[string]map[string]string{
	"v1": {"VERSION": "v1", "COLOR": "#0f766e"},
	"v2": {"VERSION": "v2", "COLOR": "#7c3aed"},
	"v3": {"VERSION": "v3", "COLOR": "#dc2626", "BREAK": "unhealthy"},
	"v4": {"VERSION": "v4", "COLOR": "#c2410c", "START_DELAY": "2s"},
}

// images builds the app and makes an image of each version.
func (d *demo) images(ctx context.Context) error {
	binary := filepath.Join(d.folder, "app")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./examples/hello/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build examples/hello/app: %w: %s", err, out)
	}
	app, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the app: %w", err)
	}
	tags := slices.Sorted(maps.Keys(versions))
	for _, tag := range tags {
		img := workbench.Image{Ref: "hello:" + tag, For: d.purpose(), Binary: app, Env: versions[tag]}
		if err := d.bench.Make(ctx, img); err != nil {
			return err
		}
	}
	d.out.say("made the images hello:%s from examples/hello/app, without a registry (v3 is broken)", strings.Join(tags, ", "))
	return nil
}
