package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"

	"teal/spec"
)

const (
	// proxyRepository holds the images that proxies were made from, one per content.
	proxyRepository = "teal-proxy"
	// labelProxy tells one wanted proxy from another.
	labelProxy = "teal.proxy"
)

// proxyImage returns the image that holds binary alone, built once per content
// through the engine's build API: no registry is needed.
func (e *Engine) proxyImage(ctx context.Context, path string) (string, error) {
	if err := static(path); err != nil {
		return "", err
	}
	sum, size, err := checksum(path)
	if err != nil {
		return "", err
	}
	ref := proxyRepository + ":" + sum[:12]
	if _, err = e.inspectImage(ctx, ref); err == nil || !errdefs.IsNotFound(err) {
		return ref, err
	}
	err = e.do(ctx, e.limits.Build, func(ctx context.Context, a dockerAPI) error {
		content, stop := buildContext(path, size)
		defer stop()
		answer, err := a.ImageBuild(ctx, content, build.ImageBuildOptions{Tags: []string{ref}, Remove: true, ForceRemove: true})
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return endOfBuild(answer.Body)
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", ref, err)
	}
	e.log.Info("proxy image was built", keyImage, ref)
	return ref, nil
}

// static refuses a program that needs a loader: the image has none.
func static(path string) error {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read program: %w", err)
	}
	defer program.Close()
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is linked dynamically and cannot run alone in an image; build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

func checksum(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

const dockerfile = "FROM scratch\nCOPY teal /teal\nENTRYPOINT [\"/teal\"]\nLABEL " + spec.LabelRole + "=" + spec.RoleProxy + "\n"

// buildContext streams the program and its Dockerfile. stop ends the streaming
// and waits for it.
func buildContext(path string, size int64) (content io.Reader, stop func()) {
	reader, writer := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		writer.CloseWithError(writeContext(writer, path, size))
	}()
	return reader, func() {
		reader.Close()
		<-ended
	}
}

func writeContext(w io.Writer, path string, size int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := tar.NewWriter(w)
	add := func(name string, mode, size int64, content io.Reader) error {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: size, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err := io.CopyN(out, content, size)
		return err
	}
	if err := add("Dockerfile", 0o644, int64(len(dockerfile)), bytes.NewReader([]byte(dockerfile))); err != nil {
		return err
	}
	if err := add("teal", 0o755, size, file); err != nil {
		return err
	}
	return out.Close()
}

// endOfBuild reads the engine's stream to its end: an error may be in it.
func endOfBuild(stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var m struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
	}
}

// fingerprint tells two wanted proxies apart, by all that a new container is
// needed for.
func fingerprint(config *container.Config, host *container.HostConfig) (string, error) {
	text, err := json.Marshal([]any{
		"v1", config.Image, config.Cmd, config.Env, config.User, host.Mounts[0].Source, host.CapAdd,
	})
	if err != nil {
		return "", fmt.Errorf("fingerprint of the proxy: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}
