package spec

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/transform"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/validation"
)

// scope is what relative paths and variables mean in a group of files that are
// merged: those of the project, or those of one include.
type scope struct {
	dir     string // absolute
	env     variables
	parents []string // files that include this group
	file    string   // the one that is being merged
}

// readFiles merges files. ok is false if the result cannot be used further; the
// reasons are reported.
func (l *load) readFiles(ctx context.Context, files []string, sc scope) (m model, ok bool) {
	m = model{data: map[string]any{}, places: index{}}
	ok = true
	for _, file := range files {
		if ctx.Err() != nil {
			return m, false
		}
		sc.file = file
		docs, read := l.parseFile(file)
		ok = ok && read
		if _, known := m.places[""]; len(docs) == 0 && !known { // else what is missing in an empty file has no place
			m.places[""] = position{file: l.files.show(file), line: 1, column: 1}
		}
		for _, d := range docs {
			ok = l.addDocument(ctx, &m, d, sc) && ok
		}
	}
	if !ok {
		return m, false
	}
	return m, l.finish(&m, sc)
}

func (l *load) parseFile(file string) ([]document, bool) {
	content, err := l.files.read(file)
	if err != nil {
		l.report(finding{where: position{file: l.files.show(file)}, message: l.refusal(file, err), hint: hintOf(err)})
		return nil, false
	}
	docs, findings := parse(l.files.show(file), content)
	l.report(findings...)
	return docs, len(findings) == 0
}

// addDocument merges one document over m: its includes below it, its extends
// filled in.
func (l *load) addDocument(ctx context.Context, m *model, d document, sc scope) bool {
	l.prepare(d.data, d.places, sc.env, nil)
	ok := l.include(ctx, &d, sc)
	e := extension{load: l, env: sc.env, places: d.places}
	ok = e.all(ctx, base{file: sc.file, dir: sc.dir, services: mapping(d.data["services"]), resets: d.resets}) && ok
	return l.mergeDocument(m, d) && ok // merged even if useless, to see more mistakes at once
}

// prepare fills in variables and takes out the keys that are not honoured. name
// is the service that data is about, or empty.
func (l *load) prepare(data map[string]any, places index, env variables, at path) {
	report := func(f finding) { l.reportAt(places, f) }
	r := honoured
	if len(at) == 2 {
		r = honouredService
	}
	env.fill(data, at, l.casts, report)
	r.check(data, at, report)
	if len(at) == 2 {
		checkTexts(data, at, report)
		return
	}
	for name, service := range mapping(data["services"]) {
		checkTexts(mapping(service), path{"services", name}, report)
	}
	for _, k := range []string{"x-teal", keyAdopt} {
		if _, ok := data[k]; ok {
			report(finding{at: path{k}, message: k + " belongs into a service"})
		}
	}
}

// checkTexts refuses what Compose's own parsers of short forms drop silently or
// look up in the environment.
func checkTexts(service map[string]any, at path, report func(finding)) {
	volumes, _ := service["volumes"].([]any)
	for i, v := range volumes {
		text, _ := v.(string)
		if strings.HasPrefix(text, "~") {
			report(finding{at: at.with("volumes").item(i), message: "~ is not known here", hint: "write the whole path"})
		}
		parts := strings.Split(text, ":")
		if len(parts) > 1 && len(parts[0]) == 1 && parts[0] != "." && parts[0] != "/" {
			report(finding{
				at: at.with("volumes").item(i), message: "a name of one letter is taken for a Windows drive",
				hint: "write {type: volume, source: " + parts[0] + ", target: " + parts[1] + "}",
			})
		}
		if len(parts) < 3 {
			continue
		}
		for o := range strings.SplitSeq(parts[len(parts)-1], ",") {
			// Those of binds are seen in the long form.
			if !slices.Contains([]string{"ro", "rw", "nocopy", "z", "Z", "private", "rprivate", "shared", "rshared", "slave", "rslave"}, o) {
				report(finding{at: at.with("volumes").item(i), message: "unknown option " + quote(o), hint: "allowed: ro, rw, nocopy"})
			}
		}
	}
}

// finish does what Compose does once a group of files is merged: defaults,
// checks across keys, absolute paths.
func (l *load) finish(m *model, sc scope) bool {
	ok := l.transform(m, func(data map[string]any) (map[string]any, error) {
		data, err := transform.SetDefaultValues(data)
		if err != nil {
			return nil, err
		}
		return data, validation.Validate(data)
	})
	if ok {
		l.absolute(m.data, m.places, sc.dir)
		loader.ResolveEnvironment(m.data, types.Mapping(sc.env))
	}
	return ok
}

// absolute makes the paths of a canonical model absolute.
func (l *load) absolute(data map[string]any, places index, dir string) {
	for name, s := range mapping(data["services"]) {
		service := mapping(s)
		for _, list := range []struct{ key, field string }{{"env_file", "path"}, {"volumes", "source"}} {
			items, _ := service[list.key].([]any)
			for i, item := range items {
				entry := mapping(item)
				if list.key == "volumes" && entry["type"] != types.VolumeTypeBind {
					continue
				}
				at := path{"services", name, list.key}.item(i)
				entry[list.field] = l.absolutePath(entry[list.field], dir, func(f finding) { l.reportAt(places, f) }, at)
			}
		}
	}
	for name, s := range mapping(data["secrets"]) {
		at := path{"secrets", name, "file"}
		if secret := mapping(s); secret["file"] != nil {
			secret["file"] = l.absolutePath(secret["file"], dir, func(f finding) { l.reportAt(places, f) }, at)
		}
	}
	for _, v := range mapping(data["volumes"]) {
		opts := mapping(mapping(v)["driver_opts"])
		if device, ok := opts["device"].(string); ok && strings.Contains(text(opts["o"]), "bind") && !filepath.IsAbs(device) {
			opts["device"] = filepath.Join(dir, device)
		}
	}
}

func (l *load) absolutePath(value any, dir string, report func(finding), at path) any {
	p, ok := value.(string)
	switch {
	case !ok || p == "" || filepath.IsAbs(p):
		return value
	case strings.HasPrefix(p, "~"):
		report(finding{at: at, message: "~ is not known here", hint: "write the whole path"})
	}
	return filepath.Join(dir, p)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
