package docker

import (
	"archive/tar"
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
	"github.com/docker/docker/api/types/image"

	"teal/spec"
)

// proxyRepository holds the images that proxies were made from, one per content.
const proxyRepository = "teal-proxy"

// proxyImage returns the image that holds the program alone, made once per
// content: no registry is needed. It is imported, not built, which leaves no
// images of the steps between behind.
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
		content, stop := rootfs(path, size)
		defer stop()
		stream, err := a.ImageImport(ctx, image.ImportSource{Source: content, SourceName: "-"}, ref, image.ImportOptions{
			Changes: []string{`ENTRYPOINT ["/teal"]`, "LABEL " + spec.LabelRole + "=" + spec.RoleProxy},
		})
		if err != nil {
			return err
		}
		defer stream.Close()
		return endOfImport(stream)
	})
	if err != nil {
		return "", fmt.Errorf("import %s: %w", ref, err)
	}
	e.log.Info("proxy image was made", keyImage, ref)
	return ref, nil
}

// static refuses a program that needs a loader: the image has none.
func static(path string) (err error) {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read program: %w", err)
	}
	defer func() { err = errors.Join(err, program.Close()) }()
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
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// rootfs streams a file system that holds the program alone. stop ends the
// streaming and waits for it.
func rootfs(path string, size int64) (content io.Reader, stop func()) {
	reader, writer := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		writer.CloseWithError(writeRootfs(writer, path, size))
	}()
	return reader, func() {
		_ = reader.Close() // never fails, by its contract
		<-ended
	}
}

func writeRootfs(w io.Writer, path string, size int64) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Name: "teal", Mode: 0o755, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.CopyN(out, file, size); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return out.Close()
}

// endOfImport reads the engine's stream to its end: an error may be in it.
func endOfImport(stream io.Reader) error {
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
