package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
)

// sources returns the folder and the files, absolute. No file: look for one.
func sources(opts Options) (string, []string, error) {
	dir := opts.Dir
	if dir == "" && len(opts.Files) > 0 {
		dir = filepath.Dir(opts.Files[0])
	}
	if dir == "" {
		return "", nil, errors.New("read the desired state: neither a file nor a folder is given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("find folder %s: %w", dir, err)
	}
	var files []string
	for _, f := range opts.Files {
		switch {
		case filepath.IsAbs(f):
		case opts.Dir != "":
			f = filepath.Join(abs, f)
		default:
			if f, err = filepath.Abs(f); err != nil {
				return "", nil, fmt.Errorf("find file %s: %w", f, err)
			}
		}
		files = append(files, filepath.Clean(f))
	}
	return abs, files, nil
}

// discover looks for the files that Compose looks for.
func (l *load) discover() []string {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"} {
		file := filepath.Join(l.files.folders[0].path, name)
		if !l.exists(file) {
			continue
		}
		ext := filepath.Ext(name)
		for _, e := range slices.Compact([]string{ext, ".yml", ".yaml"}) {
			if over := strings.TrimSuffix(file, ext) + ".override" + e; l.exists(over) {
				return []string{file, over}
			}
		}
		return []string{file}
	}
	return nil
}

func (l *load) exists(file string) bool {
	_, err := l.files.read(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// projectName follows Compose: told, COMPOSE_PROJECT_NAME, the last file that
// has a name, the folder's name.
func (l *load) projectName(dir string) string {
	if l.opts.ProjectName != "" {
		return l.opts.ProjectName
	}
	if name := l.env["COMPOSE_PROJECT_NAME"]; name != "" {
		return name
	}
	name := loader.NormalizeProjectName(filepath.Base(dir))
	for _, file := range l.names {
		content, err := l.files.read(file)
		if err != nil {
			continue // it is read, and refused, again
		}
		docs, _ := parse(l.files.show(file), content)
		for _, d := range docs {
			if raw, ok := d.data["name"].(string); ok {
				if full, err := l.env.expand(raw); err == nil && full != "" {
					name = full
				}
			}
		}
	}
	return name
}

// profiles returns which profiles are active.
func (l *load) profiles() []string {
	if set := l.env["COMPOSE_PROFILES"]; len(l.opts.Profiles) == 0 && set != "" {
		return strings.FieldsFunc(set, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return l.opts.Profiles
}

// active tells which services are, by their profiles.
func (l *load) active(m model) func(service string) bool {
	enabled := l.profiles()
	return func(service string) bool {
		own, _ := mapping(mapping(m.data["services"])[service])["profiles"].([]any)
		return len(own) == 0 || slices.Contains(enabled, "*") || slices.ContainsFunc(own, func(v any) bool {
			name, ok := v.(string)
			return ok && slices.Contains(enabled, name)
		})
	}
}
