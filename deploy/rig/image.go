package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Image is a file system that becomes an image without any registry.
type Image struct {
	Ref string // for example "pennyway-was:1"
	// Tar is the path of the file system's archive, see [Pack].
	Tar string
	// Changes are lines of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK,
	// LABEL, USER, VOLUME, WORKDIR.
	Changes []string
}

// Load gives the host's engine images. A reference that was taken moves.
func (h *Host) Load(ctx context.Context, images ...Image) error {
	for _, img := range images {
		if err := h.load(ctx, img); err != nil {
			return fmt.Errorf("load image %s on %s: %w", img.Ref, h.Name, err)
		}
	}
	return nil
}

func (h *Host) load(ctx context.Context, img Image) error {
	repo, tag, ok := strings.Cut(img.Ref, ":")
	if !ok {
		return errors.New("the reference has no tag")
	}
	f, err := os.Open(img.Tar)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	query := url.Values{"fromSrc": {"-"}, "repo": {repo}, "tag": {tag}, "changes": img.Changes}
	answer, err := h.ask(ctx, http.MethodPost, "/images/create", query, f)
	if err != nil {
		return err
	}
	return streamError(answer)
}

// streamError returns the error that an engine's progress carries.
func streamError(progress []byte) error {
	for decoder := json.NewDecoder(bytes.NewReader(progress)); ; {
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

// Share gives the engine of another host the same images, with the same ids, as
// if both had pulled them. Images that differ in nothing but when they were
// loaded have other ids.
func (h *Host) Share(ctx context.Context, to *Host, refs ...string) error {
	archive, err := h.ask(ctx, http.MethodGet, "/images/get", url.Values{"names": refs}, nil)
	if err != nil {
		return fmt.Errorf("save images of %s: %w", h.Name, err)
	}
	answer, err := to.ask(ctx, http.MethodPost, "/images/load", url.Values{"quiet": {"1"}}, bytes.NewReader(archive))
	if err == nil {
		err = streamError(answer)
	}
	if err != nil {
		return fmt.Errorf("load images of %s on %s: %w", h.Name, to.Name, err)
	}
	return nil
}
