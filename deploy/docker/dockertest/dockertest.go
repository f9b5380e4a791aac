// Package dockertest helps tests that use a real Docker Engine. It makes small
// images without any registry, starts a real registry on the loopback address,
// and removes by label whatever a test leaves behind.
//
// It promises that a test which needs Docker fails when there is none, instead
// of passing unseen, and that nothing a test makes through it outlives the test.
package dockertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"teal/spec"
)

// LabelTest marks all that a test made by hand; its value is unique per call.
const LabelTest = "teal.test"

// limit bounds each clean-up.
const limit = 2 * time.Minute

// Client returns a client of the engine that the environment names. It is
// closed when the test ends; the test fails if the engine does not answer.
func Client(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatalf("these tests need a Docker Engine: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		t.Fatalf("these tests need a Docker Engine: %v", err)
	}
	return c
}

// Unique returns a short name that no other test uses.
func Unique() string {
	b := make([]byte, 4)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

// ControllerID returns a controller id of the test's own. All that carries it
// is removed when the test ends.
func ControllerID(t testing.TB) string {
	t.Helper()
	id := "test-" + Unique()
	t.Cleanup(func() { Cleanup(t, id) })
	return id
}

// Cleanup removes every container, network and volume of a controller.
func Cleanup(t testing.TB, controllerID string) {
	t.Helper()
	removeLabelled(t, spec.LabelController+"="+controllerID)
}

// Label returns a fresh value for LabelTest. All that carries it is removed
// when the test ends.
func Label(t testing.TB) string {
	t.Helper()
	value := Unique()
	t.Cleanup(func() { removeLabelled(t, LabelTest+"="+value) })
	return value
}

// removeLabelled removes what carries label, containers first: they hold the rest.
func removeLabelled(t testing.TB, label string) {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	by := filters.NewArgs(filters.Arg("label", label))
	for _, remove := range []func(context.Context, *client.Client, filters.Args) error{
		removeContainers, removeNetworks, removeVolumes, removeImages,
	} {
		if err := remove(ctx, c, by); err != nil {
			t.Errorf("clean up %s: %v", label, err)
		}
	}
}

func removeContainers(ctx context.Context, c *client.Client, by filters.Args) error {
	list, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return err
	}
	var errs []error
	for _, found := range list {
		err := c.ContainerRemove(ctx, found.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		errs = append(errs, unlessGone(err), awaitGone(ctx, c, found.ID))
	}
	return errors.Join(errs...)
}

// awaitGone waits for the end of a removal, which may be somebody else's.
func awaitGone(ctx context.Context, c *client.Client, id string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.ContainerInspect(ctx, id); err != nil {
			return unlessGone(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func removeNetworks(ctx context.Context, c *client.Client, by filters.Args) error {
	list, err := c.NetworkList(ctx, network.ListOptions{Filters: by})
	if err != nil {
		return err
	}
	var errs []error
	for _, found := range list {
		err := unlessGone(c.NetworkRemove(ctx, found.ID))
		if errdefs.IsPermissionDenied(err) && found.Name == "teal-ingress" {
			continue // controllers of other tests are on it, whoever made it
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func removeVolumes(ctx context.Context, c *client.Client, by filters.Args) error {
	list, err := c.VolumeList(ctx, volume.ListOptions{Filters: by})
	if err != nil {
		return err
	}
	var errs []error
	for _, found := range list.Volumes {
		errs = append(errs, unlessGone(c.VolumeRemove(ctx, found.Name, true)))
	}
	return errors.Join(errs...)
}

func removeImages(ctx context.Context, c *client.Client, by filters.Args) error {
	list, err := c.ImageList(ctx, image.ListOptions{Filters: by})
	if err != nil {
		return err
	}
	var errs []error
	for _, found := range list {
		_, err := c.ImageRemove(ctx, found.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		errs = append(errs, unlessGone(err))
	}
	return errors.Join(errs...)
}

// unlessGone drops the errors that mean: it is gone, or is just being removed.
func unlessGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}
