package nginx

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// shell is a folder elsewhere whose entries are changed by the POSIX shell and
// the tools of where it is.
type shell struct {
	folder string
	// run runs a script, after an archive was extracted into the folder unless it
	// is nil. The folder is made.
	run func(ctx context.Context, archive io.Reader, script string) (output string, status int, err error)
}

// write puts all files beside the folder's entries first and then renames each
// into its place, so that none is ever half there. An empty file is whole as
// soon as it is there.
func (s shell) write(ctx context.Context, files []File) error {
	stage := ".incoming-" + random()
	script := "umask 022\n" + s.folders(files)
	inline := s.inline(stage, files)
	// Other users of a host see the words of a command, but not its input.
	private := slices.ContainsFunc(files, func(f File) bool { return f.Private })
	var archive io.Reader
	if !private && len(inline) <= mostInline && !strings.ContainsRune(inline, 0) {
		script += inline
	} else {
		packed, err := pack(stage, files)
		if err != nil {
			return err
		}
		archive = packed
	}
	var moves strings.Builder
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Name, "/"):
		case len(f.Content) == 0 && archive == nil:
			fmt.Fprintf(&moves, ": >%s\n", quote(s.at(f.Name)))
		default:
			fmt.Fprintf(&moves, "mv -f %s %s\n", quote(s.at(stage, f.Name)), quote(s.at(f.Name)))
		}
	}
	fmt.Fprintf(&moves, "rm -rf %s\n", quote(s.at(stage)))
	return s.do(ctx, archive, script+moves.String(), "write %s", names(files))
}

// mostInline is how long the part of a script may be that holds files, in bytes;
// Linux takes 128 KiB in one argument.
const mostInline = 64 << 10

// folders makes the folders that files need.
func (s shell) folders(files []File) string {
	var script strings.Builder
	made := map[string]bool{}
	for _, f := range files {
		parent := path.Dir(f.Name)
		if strings.HasSuffix(f.Name, "/") {
			parent = path.Clean(f.Name)
		}
		if !made[parent] {
			made[parent] = true
			fmt.Fprintf(&script, "mkdir -p %s\n", quote(s.at(parent)))
		}
	}
	return script.String()
}

// inline puts files that are not empty under a folder, by the script itself:
// that saves the call for an archive.
func (s shell) inline(stage string, files []File) string {
	var script strings.Builder
	made := map[string]bool{}
	for _, f := range files {
		if len(f.Content) == 0 {
			continue
		}
		at := s.at(stage, f.Name)
		if parent := path.Dir(at); !made[parent] {
			made[parent] = true
			fmt.Fprintf(&script, "mkdir -p %s\n", quote(parent))
		}
		fmt.Fprintf(&script, "printf %%s %s >%s\n", quote(string(f.Content)), quote(at))
	}
	return script.String()
}

// rename needs -T only to replace a link to a folder, which not every mv has.
func (s shell) rename(ctx context.Context, from, to string) error {
	a, b := quote(s.at(from)), quote(s.at(to))
	return s.do(ctx, nil, fmt.Sprintf("if [ -d %s ]; then mv -fT %s %s; else mv -f %s %s; fi\n", b, a, b, a, b), "rename %s to %s", from, to)
}

func (s shell) link(ctx context.Context, target, name string) error {
	at := quote(s.at(name))
	return s.do(ctx, nil, fmt.Sprintf("if [ -e %[1]s ] || [ -h %[1]s ]; then echo it exists; exit 1; fi\nmkdir -p %[2]s\nln -s %[3]s %[1]s\n",
		at, quote(path.Dir(s.at(name))), quote(target)), "link %s", name)
}

// relink makes name a link to target in one step, whatever it was before, with
// one script.
func (s shell) relink(ctx context.Context, target, name string) error {
	fresh := quote(s.at(path.Dir(name), ".relink-"+random()))
	at := quote(s.at(name))
	return s.do(ctx, nil, fmt.Sprintf("ln -s %[1]s %[2]s\nif [ -d %[3]s ] && [ ! -h %[3]s ]; then rm -rf %[3]s; fi\nif [ -d %[3]s ]; then mv -fT %[2]s %[3]s; else mv -f %[2]s %[3]s; fi\n",
		quote(target), fresh, at), "link %s", name)
}

func (s shell) remove(ctx context.Context, all []string) error {
	if len(all) == 0 {
		return nil
	}
	quoted := make([]string, len(all))
	for i, name := range all {
		quoted[i] = quote(s.at(name))
	}
	return s.do(ctx, nil, "rm -rf "+strings.Join(quoted, " ")+"\n", "remove %s", strings.Join(all, ", "))
}

// do runs a script that has to succeed; what says what it is for.
func (s shell) do(ctx context.Context, archive io.Reader, script, what string, args ...any) error {
	output, status, err := s.run(ctx, archive, "set -e\n"+script)
	if err != nil {
		return fmt.Errorf(what+": %w", append(args, err)...)
	}
	if status != 0 {
		return fmt.Errorf(what+": %w", append(args, fmt.Errorf("exit status %d: %s", status, lastLine(output)))...)
	}
	return nil
}

func (s shell) at(parts ...string) string { return path.Join(append([]string{s.folder}, parts...)...) }

// check refuses names that lead out of the folder.
func check(all ...string) error {
	for _, name := range all {
		clean := path.Clean(name)
		if name == "" || path.IsAbs(name) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(name, 0) {
			return fmt.Errorf("%q is no name inside the folder", name)
		}
	}
	return nil
}

// pack makes a tar archive of files under a folder.
func pack(under string, files []File) (io.Reader, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	folder := func(name string) error {
		return w.WriteHeader(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755})
	}
	errs := []error{folder(under)}
	made := map[string]bool{under: true}
	for _, f := range files {
		name := path.Join(under, f.Name)
		for _, parent := range parents(name) {
			if !made[parent] {
				made[parent] = true
				errs = append(errs, folder(parent))
			}
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		writing := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: int64(f.mode()), Size: int64(len(f.Content))})
		if writing == nil {
			_, writing = w.Write(f.Content)
		}
		errs = append(errs, writing)
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		return nil, fmt.Errorf("pack %s: %w", names(files), err)
	}
	return &out, nil
}

func (f File) mode() os.FileMode {
	if f.Private {
		return 0o600
	}
	return 0o644
}

// parents are the folders that name is in, the outermost first: a, a/b of a/b/c.
func parents(name string) []string {
	var out []string
	for i, r := range name {
		if r == '/' {
			out = append(out, name[:i])
		}
	}
	return out
}

func names(files []File) string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Name
	}
	return strings.Join(out, ", ")
}

// quote makes one word of a shell of any text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func random() string {
	b := make([]byte, 6)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
