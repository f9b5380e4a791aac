package rig

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Files say what an image's file system holds.
type Files struct {
	// Programs are absolute paths of programs of this machine. Each is copied to the
	// same path with all libraries that it is linked with.
	Programs []string
	// Trees are files and folders of this machine that are copied to the same path.
	Trees []string
	// Copies maps a path in the image to a file of this machine, mode 0755.
	Copies map[string]string
	// Texts maps a path in the image to its content, mode 0755.
	Texts map[string]string
	// Folders are made empty, mode 0777 with the sticky bit.
	Folders []string
}

// accounts are who the programs of Debian's packages run as.
const (
	accounts = "root:x:0:0:root:/:/bin/sh\nwww-data:x:33:33::/:/bin/false\nmysql:x:101:101::/:/bin/false\nredis:x:102:102::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
	groups   = "root:x:0:\nadm:x:4:\nwww-data:x:33:\nmysql:x:101:\nredis:x:102:\nnogroup:x:65534:\n"
)

// Pack writes a file system as an archive to the file called to. The same input
// gives the same bytes. An account file with the accounts of Debian's packages
// is part of it.
func Pack(ctx context.Context, to string, files Files) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("pack %s: %w", to, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	p := packer{w: tar.NewWriter(out), have: map[string]bool{}}
	if err := p.all(ctx, files); err != nil {
		return fmt.Errorf("pack %s: %w", to, err)
	}
	return p.w.Close()
}

type packer struct {
	w    *tar.Writer
	have map[string]bool
}

func (p *packer) all(ctx context.Context, files Files) error {
	for _, program := range files.Programs {
		if err := p.program(ctx, program); err != nil {
			return err
		}
	}
	for _, tree := range files.Trees {
		if err := p.tree(tree); err != nil {
			return err
		}
	}
	for _, at := range sorted(files.Copies) {
		if err := p.file(at, files.Copies[at], 0o755); err != nil {
			return err
		}
	}
	texts := map[string]string{"/etc/passwd": accounts, "/etc/group": groups}
	maps.Copy(texts, files.Texts)
	for _, at := range sorted(texts) {
		if err := p.bytes(at, []byte(texts[at]), 0o755); err != nil {
			return err
		}
	}
	for _, folder := range append([]string{"/tmp", "/run"}, files.Folders...) {
		if err := p.folder(folder); err != nil {
			return err
		}
	}
	return nil
}

// program adds a program and the libraries that ldd names. A script has none.
func (p *packer) program(ctx context.Context, at string) error {
	if err := p.file(at, at, 0o755); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ldd", at).CombinedOutput()
	if err != nil {
		if bytes.Contains(out, []byte("not a dynamic executable")) {
			return nil
		}
		return fmt.Errorf("libraries of %s: %w: %s", at, err, trimmed(out))
	}
	for word := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		if err := p.file(word, word, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) tree(top string) error {
	return filepath.WalkDir(top, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return p.file(at, at, 0o644)
	})
}

// file adds the content of from, through links, once.
func (p *packer) file(at, from string, mode int64) error {
	if p.have[at] {
		return nil
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return p.bytes(at, content, mode)
}

func (p *packer) bytes(at string, content []byte, mode int64) error {
	p.have[at] = true
	head := &tar.Header{Name: strings.TrimPrefix(path.Clean(at), "/"), Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}
	if err := p.w.WriteHeader(head); err != nil {
		return err
	}
	_, err := io.Copy(p.w, bytes.NewReader(content))
	return err
}

func (p *packer) folder(at string) error {
	return p.w.WriteHeader(&tar.Header{Name: strings.Trim(path.Clean(at), "/") + "/", Mode: 0o1777, Typeflag: tar.TypeDir})
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
