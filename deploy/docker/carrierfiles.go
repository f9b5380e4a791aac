package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Bounds of what comes out of a container, so that none fills the memory.
const (
	mostOutput = 4 << 20
	mostFile   = 16 << 20
)

// CopyTo extracts a tar archive into a folder of a container, which must exist
// in it; the container may be of any state and anybody's. What is there under
// the same name is replaced, but not in one step.
func (e *Engine) CopyTo(ctx context.Context, id, folder string, archive io.Reader) error {
	err := e.do(ctx, e.limits.Change, func(ctx context.Context, a dockerAPI) error {
		return a.CopyToContainer(ctx, id, folder, archive, container.CopyToContainerOptions{})
	})
	if err != nil {
		return fmt.Errorf("copy to %s:%s: %w", id, folder, err)
	}
	return nil
}

// ReadFile returns the content of a regular file of a container, running or
// not, or of the file that a symbolic link there leads to, at most 16 MiB. One that does not exist is fs.ErrNotExist; so it is when
// the container does not exist.
func (e *Engine) ReadFile(ctx context.Context, id, path string) ([]byte, error) {
	content, err := ask(ctx, e, e.limits.Change, func(ctx context.Context, a dockerAPI) ([]byte, error) {
		content, target, err := readFile(ctx, a, id, path)
		if err == nil && target != "" {
			content, _, err = readFile(ctx, a, id, target)
		}
		return content, err
	})
	switch {
	case errdefs.IsNotFound(err):
		return nil, fmt.Errorf("read %s:%s: %w", id, path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("read %s:%s: %w", id, path, err)
	}
	return content, nil
}

// readFile returns the content of a file, or where a link to one leads.
func readFile(ctx context.Context, a dockerAPI, id, path string) (content []byte, target string, err error) {
	stream, found, err := a.CopyFromContainer(ctx, id, path)
	if err != nil {
		return nil, "", err
	}
	defer stream.Close()
	archive := tar.NewReader(stream)
	header, err := archive.Next()
	switch {
	case err != nil:
		return nil, "", err
	case header.Typeflag == tar.TypeSymlink:
		return nil, found.LinkTarget, nil
	case header.Typeflag != tar.TypeReg || header.Size > mostFile:
		return nil, "", errors.New("not a regular file of at most 16 MiB")
	}
	content, err = io.ReadAll(archive)
	return content, "", err
}

// Exec runs a program in a running container and returns what it wrote to both
// outputs, at most 4 MiB, and its exit status. It is bounded by Limits.Call; a
// program that takes longer goes on in the container.
func (e *Engine) Exec(ctx context.Context, id string, argv ...string) (output string, status int, err error) {
	err = e.do(ctx, e.limits.Call, func(ctx context.Context, a dockerAPI) error {
		made, err := a.ContainerExecCreate(ctx, id, container.ExecOptions{AttachStdout: true, AttachStderr: true, Cmd: argv})
		if err != nil {
			return err
		}
		if output, err = attached(ctx, a, made.ID); err != nil {
			return err
		}
		status, err = exitStatus(ctx, a, made.ID)
		return err
	})
	if err != nil {
		return output, 0, fmt.Errorf("run %s in %s: %w", argv[0], id, err)
	}
	return output, status, nil
}

// attached starts the program and reads its output to the end.
func attached(ctx context.Context, a dockerAPI, exec string) (string, error) {
	stream, err := attach(ctx, a, exec)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close) // nothing else ends the reading
	defer stop()
	out := &bounded{left: mostOutput}
	_, err = stdcopy.StdCopy(out, out, stream.Reader)
	if errors.Is(err, errEnough) {
		err = fmt.Errorf("it wrote more than %d bytes", mostOutput)
	}
	return out.kept.String(), errors.Join(ctx.Err(), err)
}

// attach starts the program. The client waits for the answer whatever becomes of
// ctx, for as long as the engine keeps the connection: then it is left to wait.
func attach(ctx context.Context, a dockerAPI, exec string) (types.HijackedResponse, error) {
	type answer struct {
		stream types.HijackedResponse
		err    error
	}
	answers := make(chan answer)
	go func() {
		stream, err := a.ContainerExecAttach(ctx, exec, container.ExecAttachOptions{})
		select {
		case answers <- answer{stream, err}:
		case <-ctx.Done():
			if err == nil {
				stream.Close()
			}
		}
	}()
	select {
	case got := <-answers:
		return got.stream, got.err
	case <-ctx.Done():
		return types.HijackedResponse{}, ctx.Err()
	}
}

// exitStatus waits for the engine to notice the end, which comes a moment after
// the end of the output.
func exitStatus(ctx context.Context, a dockerAPI, exec string) (int, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := a.ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, err
		}
		if !found.Running {
			return found.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}
