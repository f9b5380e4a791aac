package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"teal/spec"
)

// Logs writes the last tail lines of a container of ours (all if tail is
// negative), standard output and error as they came, and follows it until it
// or ctx ends if asked to. One that is gone, or is being removed, between the
// look that found it and this, has no lines any more; that is no error.
func (e *Engine) Logs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	return e.onHost(e.logs(ctx, id, tail, follow, w))
}

func (e *Engine) logs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	found, err := e.inspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.Config.Labels[spec.LabelController] != e.controller {
		return fmt.Errorf("logs of %s: the container is not this controller's", id)
	}
	if !follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.limits.Change)
		defer cancel()
	}
	a, err := e.client(ctx)
	if err != nil {
		return err
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow, Tail: "all"}
	if tail >= 0 {
		options.Tail = strconv.Itoa(tail)
	}
	stream, err := a.ContainerLogs(ctx, found.ID, options)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // a conflict: "dead or marked for removal"
		return nil
	}
	if err != nil {
		return fmt.Errorf("logs of %s: %w", id, err)
	}
	defer stream.Close()
	if found.Config.Tty {
		_, err = io.Copy(w, stream)
	} else {
		_, err = stdcopy.StdCopy(w, w, stream)
	}
	if err != nil {
		return fmt.Errorf("logs of %s: %w", id, err)
	}
	return nil
}
