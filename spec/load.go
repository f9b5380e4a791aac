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
	"unicode/utf8"

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
	// Drafts are contents of files, by absolute path, that are read instead of
	// what is there, or is not there yet.
	Drafts map[string][]byte
	// Decrypt returns the plain text of a file that is encrypted, for whichever of
	// the files that is; a [DecryptError] says why it cannot. nil: such files are
	// refused.
	Decrypt func(ctx context.Context, e Encrypted) ([]byte, error)
	// Keys are the files that Decrypt reads, absolute: they belong to what a
	// watcher must look at as soon as any file is encrypted.
	Keys []string
}

// Load reads Compose files and returns the desired state they describe: checked,
// with every default filled in. If they are refused, the error is an [*Error]
// with every problem that was found, and with the list of files to watch for a
// better version. ctx is looked at between files.
func Load(ctx context.Context, opts Options) (*Project, error) {
	project, err := Survey(ctx, opts)
	if err != nil {
		return nil, err
	}
	return project, nil
}

// Survey is [Load] for files that were not written for Teal: beside an [*Error]
// it returns what could be read nevertheless, without what was refused. The
// project is nil if nothing of it can be said.
func Survey(ctx context.Context, opts Options) (*Project, error) {
	dir, files, err := sources(opts)
	if err != nil {
		return nil, err
	}
	r, err := newReader(dir, opts.Policy.AllowOutside)
	if err != nil {
		return nil, err
	}
	r.drafts = opts.Drafts
	if opts.Decrypt != nil {
		r.decrypt = func(e Encrypted) ([]byte, error) { return opts.Decrypt(ctx, e) }
	}
	l := &load{files: r, opts: opts, spreadTo: map[string]bool{}, casts: loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping}
	if l.opts.Policy.Dir == "" {
		l.opts.Policy.Dir = dir
	}
	project := l.project(ctx, files)
	if r.keysMatter {
		for _, k := range opts.Keys {
			r.inputs[k] = true
		}
	}
	source := Source{Files: l.names, Inputs: r.list()}
	if err := errors.Join(ctx.Err(), r.close()); err != nil {
		return nil, fmt.Errorf("read the desired state: %w", err)
	}
	if project != nil {
		project.Source = source
	}
	if len(l.problems) > 0 {
		for i, p := range l.problems {
			l.problems[i].Message, l.problems[i].Hint = r.shroud.over(p.Message), r.shroud.over(p.Hint)
			l.problems[i].Key = r.shroud.over(p.Key) // an item of a list can be a name
		}
		return project, &Error{Source: source, Problems: l.problems.sorted()}
	}
	return project, nil
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
	spreadTo map[string]bool // "SERVICE KEY" of what the file says for all services
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
	if len(f.at) > 2 && l.spreadTo[f.at[1]+" "+f.at[2]] {
		f.at = f.at[2:] // said once, where it was written
	}
	l.problems = append(l.problems, Problem{
		File: f.where.file, Line: f.where.line, Column: f.where.column,
		Key: f.at.String(), Message: f.message, Hint: f.hint,
		Reason: f.reason,
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
	for _, name := range sortedKeys(l.opts.Interpolation) {
		if !utf8.ValidString(name + l.opts.Interpolation[name]) {
			l.report(finding{message: "the variable " + name + " is not UTF-8 text"})
		}
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
