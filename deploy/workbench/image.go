package workbench

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// Image says what an image holds: one static binary at /app, from scratch.
type Image struct {
	Ref    string // for example "hello:v1"
	For    string // value of [LabelMade]
	Binary []byte
	Env    map[string]string
}

// Make makes an image. A reference that was taken is moved to it, and the image
// that had it stays without a name. Images of the same binary share one layer.
func (b *Bench) Make(ctx context.Context, img Image) error {
	files, err := rootfs(img.Binary)
	if err != nil {
		return fmt.Errorf("pack image %s: %w", img.Ref, err)
	}
	return b.load(ctx, img.Ref, files, img.changes())
}

// load imports a file system as an image; changes are lines of a Dockerfile.
func (b *Bench) load(ctx context.Context, ref string, files []byte, changes []string) error {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	source := image.ImportSource{Source: bytes.NewReader(files), SourceName: "-"}
	stream, err := b.api.ImageImport(ctx, source, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	if err := errors.Join(endOf(stream), stream.Close()); err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	return nil
}

// Names lists the references, by tag, of every image made for purpose.
func (b *Bench) Names(ctx context.Context, purpose string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	list, err := b.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelMade+"="+purpose))})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var out []string
	for _, found := range list {
		out = append(out, found.RepoTags...)
	}
	slices.Sort(out)
	return out, nil
}

// RemoveImages removes every image made for purpose that nothing uses.
func (b *Bench) RemoveImages(ctx context.Context, purpose string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	list, err := b.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelMade+"="+purpose))})
	if err != nil {
		return 0, fmt.Errorf("list images: %w", err)
	}
	var errs []error
	for _, found := range list {
		_, err := b.api.ImageRemove(ctx, found.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		if !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("remove images: %w", err)
	}
	return len(list), nil
}

// changes are img as lines of a Dockerfile.
func (i Image) changes() []string {
	lines := []string{`CMD ["/app"]`, fmt.Sprintf("LABEL %s=%q", LabelMade, i.For)}
	for _, name := range slices.Sorted(maps.Keys(i.Env)) {
		lines = append(lines, fmt.Sprintf("ENV %s=%q", name, i.Env[name]))
	}
	return lines
}

func rootfs(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(binary)), Typeflag: tar.TypeReg}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// endOf reads an engine's progress to its end and returns the error it carries.
func endOf(stream io.Reader) error {
	for decoder := json.NewDecoder(stream); ; {
		var line struct{ Error string }
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line.Error != "":
			return errors.New(line.Error)
		}
	}
}
