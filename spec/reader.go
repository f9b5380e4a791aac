package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Limits on what one source may make Teal read.
const (
	maxFileSize = 1 << 20 // bytes of one file
	maxReads    = 256     // files of one source, repeated reads included
)

// errOutside says that a path does not lie in any folder that may be read.
var errOutside = errors.New("lies outside the folder that may be read")

// errEscapes says that a path lies inside by its name, but a link on the way
// leads out.
var errEscapes = errors.New("is or passes a symbolic link that leads out of the folder")

// errTooLarge says that a file, or what it is once it is decrypted, is more than
// is read.
var errTooLarge = fmt.Errorf("is larger than %d KiB", maxFileSize>>10)

// reader reads files of a few folders and nothing else, and remembers which.
type reader struct {
	folders []folder
	drafts  map[string][]byte // contents by absolute path that win over what is there
	inputs  map[string]bool   // absolute paths that were asked for
	reads   int

	decrypt    func(Encrypted) ([]byte, error) // nil: nothing can be
	decrypted  map[string][]byte               // plain texts by absolute path
	keysMatter bool                            // something was encrypted
	shroud     shroud
}

type folder struct {
	path string // absolute
	root *os.Root
}

// newReader opens dir and the folders of more. The caller closes it.
func newReader(dir string, more []string) (*reader, error) {
	r := &reader{inputs: map[string]bool{}, decrypted: map[string][]byte{}}
	for i, d := range append([]string{dir}, more...) {
		root, err := os.OpenRoot(d)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue // allowed, but not there: nothing can be read from it
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open folder %s: %w", d, err), r.close())
		}
		r.folders = append(r.folders, folder{filepath.Clean(d), root})
	}
	return r, nil
}

func (r *reader) close() error {
	var errs []error
	for _, f := range r.folders {
		errs = append(errs, f.root.Close())
	}
	return errors.Join(errs...)
}

// read returns the content of an absolute path, decrypted. Its errors never name
// content.
func (r *reader) read(abs string) ([]byte, error) {
	abs = filepath.Clean(abs)
	f, rel, ok := r.locate(abs)
	if !ok {
		return nil, errOutside
	}
	r.inputs[abs] = true
	if r.reads++; r.reads > maxReads {
		return nil, fmt.Errorf("is one file too many: at most %d are read", maxReads)
	}
	if draft, ok := r.drafts[abs]; ok {
		return draft, nil
	}
	if text, ok := r.decrypted[abs]; ok {
		return text, nil
	}
	content, err := open(f, rel)
	if err != nil {
		return nil, err
	}
	text, err := r.plain(content)
	if err == nil && r.keysMatter {
		r.decrypted[abs] = text // a program may have been run for it
	}
	return text, err
}

// open reads a file of a folder.
func open(f folder, rel string) ([]byte, error) {
	// O_NONBLOCK: a named pipe must not block the open.
	file, err := f.root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, plainOpenError(err)
	}
	content, err := readLimited(file)
	return content, errors.Join(err, file.Close())
}

func readLimited(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFileSize {
		return nil, errTooLarge
	}
	return content, nil
}

// locate finds the folder that abs lies in, by name.
func (r *reader) locate(abs string) (folder, string, bool) {
	for _, f := range r.folders {
		if rel, ok := below(f.path, abs); ok {
			return f, rel, true
		}
	}
	return folder{}, "", false
}

// below returns where abs lies in dir, by name only.
func below(dir, abs string) (string, bool) {
	rel, err := filepath.Rel(dir, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return rel, true
}

// plainOpenError strips the path off. An [os.Root] refuses what leaves it with
// an error that is not the system's.
func plainOpenError(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case !errors.As(err, &errno):
		return errEscapes
	}
	return errno
}

// list returns all inputs, sorted.
func (r *reader) list() []string {
	out := make([]string, 0, len(r.inputs))
	for p := range r.inputs {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// show shortens abs for people: below the source's folder, its relative path.
func (r *reader) show(abs string) string {
	if rel, ok := below(r.folders[0].path, abs); ok {
		return rel
	}
	return abs
}
