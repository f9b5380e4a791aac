package spec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// Options say what [Load] reads.
type Options struct {
	// Files are Compose files; a later one is merged over those before it. A
	// relative path is relative to Dir. None: compose.yaml, compose.yml,
	// docker-compose.yaml or docker-compose.yml in Dir, and its override file.
	Files []string
	// Dir is the only folder that is read from, apart from Policy.AllowOutside.
	// Empty: the folder of the first file.
	Dir string
	// ProjectName wins over COMPOSE_PROJECT_NAME in .env, over the files' name
	// and over the folder's name.
	ProjectName string
	// Profiles are active. None: COMPOSE_PROFILES in .env, if it is set.
	Profiles []string
	Policy   Policy
	// Interpolation are variables beside those in .env, and win over them. The
	// process's environment is not read.
	Interpolation map[string]string
}

// Load reads Compose files and returns the desired state they describe: checked,
// with every default filled in. If they are refused, the error is an [*Error]
// with every problem that was found, and with the list of files to watch for a
// better version. ctx is looked at between files.
func Load(ctx context.Context, opts Options) (*Project, error) {
	dir, files, err := sources(opts)
	if err != nil {
		return nil, err
	}
	r, err := newReader(dir, opts.Policy.AllowOutside)
	if err != nil {
		return nil, err
	}
	l := &load{files: r, opts: opts, casts: loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping}
	if l.opts.Policy.Dir == "" {
		l.opts.Policy.Dir = dir
	}
	project := l.project(ctx, files)
	source := Source{Files: l.names, Inputs: r.list()}
	if err := errors.Join(ctx.Err(), r.close()); err != nil {
		return nil, fmt.Errorf("read the desired state: %w", err)
	}
	if len(l.problems) > 0 {
		return nil, &Error{Source: source, Problems: l.problems.sorted()}
	}
	project.Source = source
	return project, nil
}

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

// load is one run of [Load].
type load struct {
	files    *reader
	opts     Options
	casts    map[tree.Path]interpolation.Cast
	names    []string // Compose files, absolute
	env      variables
	name     string
	held     []finding // of services; those of inactive ones are dropped
	settled  map[string]bool
	problems Errors
}

// report keeps findings that have their place.
func (l *load) report(findings ...finding) { l.reportAt(nil, findings...) }

// reportAt looks up where findings are in places. Those about one service wait
// until it is known whether it is active.
func (l *load) reportAt(places index, findings ...finding) {
	for _, f := range findings {
		if f.where.file == "" && places != nil {
			f.where = places.find(f.at)
		}
		if len(f.at) > 1 && f.at[0] == "services" {
			l.held = append(l.held, f)
			continue
		}
		l.keep(f)
	}
}

// settle remembers which keys have problems by now.
func (l *load) settle() {
	l.settled = map[string]bool{}
	for _, f := range l.held {
		l.settled[f.at.key()] = true
	}
}

// reportNew reports f unless its key had a problem before: then f is only what
// came of that.
func (l *load) reportNew(places index, f finding) {
	if !l.settled[f.at.key()] {
		l.reportAt(places, f)
	}
}

func (l *load) keep(f finding) {
	l.problems = append(l.problems, Problem{
		File: f.where.file, Line: f.where.line, Column: f.where.column,
		Key: f.at.String(), Message: f.message, Hint: f.hint,
	})
}

// project reads everything. If there are problems, its result means nothing.
func (l *load) project(ctx context.Context, files []string) *Project {
	if l.names = files; len(files) == 0 {
		l.names = l.discover()
	}
	if len(l.names) == 0 {
		l.report(finding{message: "no Compose file in " + l.opts.Policy.Dir, hint: "write one called compose.yaml"})
		return nil
	}
	dir := filepath.Dir(l.names[0])
	l.env = variables(l.opts.Interpolation).with(nil)
	l.env = l.env.with(l.optionalEnv(dir, l.env))
	l.name = l.projectName(dir)
	l.env["COMPOSE_PROJECT_NAME"] = l.name
	m, ok := l.readFiles(ctx, l.names, scope{dir: dir, env: l.env})
	p := l.assemble(m, ok)
	active := l.active(m)
	for _, f := range l.held {
		if _, exists := mapping(m.data["services"])[f.at[1]]; !exists || active(f.at[1]) {
			l.keep(f)
		}
	}
	return p
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

// refusal says why a file was not read.
func (l *load) refusal(abs string, err error) string {
	switch {
	case errors.Is(err, errOutside):
		folders := make([]string, len(l.files.folders))
		for i, f := range l.files.folders {
			folders[i] = f.path
		}
		return fmt.Sprintf("%s %s: %s", abs, err, strings.Join(folders, ", "))
	case errors.Is(err, fs.ErrNotExist):
		return l.files.show(abs) + " does not exist"
	}
	return l.files.show(abs) + ": " + err.Error()
}

// services returns the services of m, sorted.
func (m model) services() []string { return slices.Sorted(maps.Keys(mapping(m.data["services"]))) }
