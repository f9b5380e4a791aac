package spec

import (
	"context"
	"maps"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/tree"
)

// inclusion is one entry of include.
type inclusion struct {
	at       path
	paths    []string // as written
	dir      string   // project_directory as written
	envFiles []string // as written
}

// include merges what d includes below d's own data.
func (l *load) include(ctx context.Context, d *document, sc scope) bool {
	raw, has := d.data["include"]
	delete(d.data, "include")
	if !has || raw == nil {
		return true
	}
	entries, ok := raw.([]any)
	if !ok {
		l.reportAt(d.places, finding{at: path{"include"}, message: "must be a list"})
		return false
	}
	for i, e := range entries {
		in, good := l.inclusion(e, path{"include"}.item(i), d.places)
		ok = good && l.includeOne(ctx, d, in, sc) && ok
	}
	return ok
}

func (l *load) inclusion(entry any, at path, places index) (inclusion, bool) {
	in := inclusion{at: at}
	if s, ok := entry.(string); ok {
		in.paths = []string{s}
		return in, true
	}
	m, isMap := entry.(map[string]any)
	paths, okPaths := stringList(m["path"])
	envFiles, okEnv := stringList(m["env_file"])
	dir, okDir := m["project_directory"].(string)
	if !isMap || !okPaths || len(paths) == 0 || !okEnv || (!okDir && m["project_directory"] != nil) {
		l.reportAt(places, finding{at: at, message: "must be a path, or a mapping with path, project_directory and env_file"})
		return in, false
	}
	in.paths, in.envFiles, in.dir = paths, envFiles, dir
	return in, true
}

// stringList reads text or a list of texts; nil is an empty list.
func stringList(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}

func (l *load) includeOne(ctx context.Context, d *document, in inclusion, sc scope) bool {
	report := func(f finding) { l.reportAt(d.places, f) }
	var files []string
	for _, p := range in.paths {
		abs, _ := l.absolutePath(p, sc.dir, report, in.at).(string)
		files = append(files, filepath.Clean(abs))
	}
	parents := append(slices.Clone(sc.parents), sc.file)
	if slices.Contains(parents, files[0]) {
		report(finding{at: in.at, message: "includes itself: " + l.files.show(files[0])})
		return false
	}
	inner := scope{dir: filepath.Dir(files[0]), env: sc.env, parents: parents}
	if in.dir != "" {
		inner.dir, _ = l.absolutePath(in.dir, sc.dir, report, in.at).(string)
	}
	for _, f := range files {
		if _, _, ok := l.files.locate(f); !ok {
			report(finding{at: in.at, message: l.refusal(f, errOutside)})
			return false
		}
	}
	if !l.includeEnv(&inner, in, sc, report) {
		return false
	}
	m, ok := l.readFiles(ctx, files, inner)
	if !ok {
		return false
	}
	return l.importModel(d, m)
}

// includeEnv gives inner the variables of its own env files; those of the
// including file win.
func (l *load) includeEnv(inner *scope, in inclusion, sc scope, report func(finding)) bool {
	if len(in.envFiles) == 0 {
		if inner.dir != sc.dir {
			inner.env = sc.env.with(l.optionalEnv(inner.dir, sc.env))
		}
		return true
	}
	own := variables{}
	for _, f := range in.envFiles {
		abs, _ := l.absolutePath(f, sc.dir, report, in.at).(string)
		vars, findings, err := l.readEnv(abs, "", sc.env.with(own))
		l.report(findings...)
		if err != nil {
			report(finding{at: in.at.with("env_file"), message: "env file " + l.refusal(abs, err), hint: hintOf(err)})
			return false
		}
		maps.Copy(own, vars)
	}
	inner.env = sc.env.with(own)
	return true
}

// importModel puts m below d. What both define is merged, and d wins; the same
// thing reached on two ways is one thing.
func (l *load) importModel(d *document, m model) bool {
	l.spread(m)
	d.places.underlay(m.places)
	for _, section := range []string{"services", "networks", "volumes", "secrets"} {
		for name, imported := range mapping(m.data[section]) {
			own := mapping(d.data[section])
			if own == nil {
				own = map[string]any{}
				d.data[section] = own
			}
			mine, both := own[name]
			if !both {
				own[name] = imported
				continue
			}
			if reflect.DeepEqual(mine, imported) {
				continue
			}
			if section == "services" {
				replaceLists(mapping(imported), mapping(mine))
			}
			if !l.compose(d.places, func() (err error) {
				own[name], err = override.MergeYaml(imported, mine, tree.NewPath(section, name))
				return err
			}) {
				return false
			}
		}
	}
	return true
}
