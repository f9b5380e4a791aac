package adopt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mostConfiguration bounds one file of nginx, in bytes.
const mostConfiguration = 4 << 20

// ReadNginx reads a configuration from this host's files: a main file with its
// includes, or what nginx -T printed.
func ReadNginx(name string) (*Nginx, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return ParseNginx(name, text, openFiles)
}

// openFiles returns the files that an include stands for, as nginx finds them:
// sorted, without hidden ones.
func openFiles(pattern string) ([]File, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var out []File
	var problems error
	for _, name := range found {
		if strings.ContainsAny(pattern, "*?[") && strings.HasPrefix(filepath.Base(name), ".") {
			continue
		}
		text, err := readFile(name)
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		out = append(out, File{name, text})
	}
	return out, problems
}

func readFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > mostConfiguration {
		return "", &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a regular file of at most %d MiB", mostConfiguration>>20)}
	}
	text, err := os.ReadFile(name)
	return string(text), err
}
