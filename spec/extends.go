package spec

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/override"
)

// extension fills in the extends of one document's services.
type extension struct {
	*load
	env    variables
	places index // of the extending document; grows
}

// base is where services are taken from.
type base struct {
	file     string
	dir      string // relative paths of its extends
	services map[string]any
	resets   []path
	places   index
	foreign  bool // another file: its services are not prepared yet
}

// step is one service on the way from an extending service to its base.
type step struct{ file, service string }

// all fills in the extends of the services of from.
func (e extension) all(ctx context.Context, from base) bool {
	ok := true
	for _, name := range sortedKeys(from.services) {
		if ctx.Err() != nil {
			return false
		}
		full, good := e.service(name, name, from, nil)
		if good {
			from.services[name] = full
		}
		ok = ok && good
	}
	return ok
}

// service returns the service ref with its extends filled in. name is the service
// of the project that it is for.
func (e extension) service(name, ref string, from base, way []step) (any, bool) {
	at := path{"services", name}
	own, isMap := from.services[ref].(map[string]any)
	if !isMap || own["extends"] == nil {
		return from.services[ref], true // what is wrong with it, the schema says
	}
	here := step{from.file, ref}
	if slices.Contains(way, here) {
		e.reportAt(e.places, finding{at: at.with("extends"), message: "extends itself"})
		return nil, false
	}
	parent, ok := e.parent(name, own["extends"], from, append(slices.Clone(way), here))
	if !ok {
		return nil, false
	}
	for _, p := range from.resets {
		if len(p) > 2 && p[0] == "services" && p[1] == ref {
			remove(parent, p[2:])
		}
	}
	replaceLists(parent, own)
	var merged map[string]any
	ok = e.compose(e.places, func() (err error) {
		merged, err = override.ExtendService(parent, own)
		return err
	})
	delete(merged, "extends")
	return merged, ok
}

// parent returns a copy of the service that extends names, itself complete.
func (e extension) parent(name string, extends any, from base, way []step) (map[string]any, bool) {
	at := path{"services", name, "extends"}
	ref, file := text(extends), ""
	if m, ok := extends.(map[string]any); ok {
		ref, file = text(m["service"]), text(m["file"])
	}
	if ref == "" {
		e.reportAt(e.places, finding{at: at, message: "must name a service", hint: "write extends: {file: base.yaml, service: web}"})
		return nil, false
	}
	if file != "" {
		var ok bool
		if from, ok = e.open(at, file, ref, from); !ok {
			return nil, false
		}
	}
	if mapping(from.services[ref]) == nil {
		e.reportAt(e.places, finding{at: at, message: "there is no service " + quote(ref) + " in " + e.files.show(from.file)})
		return nil, false
	}
	if from.foreign {
		return e.foreign(name, ref, from, way)
	}
	full, ok := e.service(ref, ref, from, way)
	e.places.underlay(e.places.moved(path{"services", ref}, path{"services", name}))
	return mapping(clone(full)), ok
}

// open reads the file that extends names.
func (e extension) open(at path, file, ref string, from base) (base, bool) {
	report := func(f finding) { e.reportAt(e.places, f) }
	abs, _ := e.absolutePath(file, from.dir, report, at).(string)
	next := base{file: filepath.Clean(abs), dir: filepath.Dir(abs), foreign: true}
	content, err := e.files.read(abs)
	if err != nil {
		report(finding{at: at.with("file"), message: e.refusal(abs, err), hint: hintOf(err)})
		return next, false
	}
	docs, findings := parse(e.files.show(abs), content)
	e.reportAt(e.places, findings...)
	for _, d := range docs {
		if services := mapping(d.data["services"]); services[ref] != nil {
			next.services, next.resets, next.places = services, d.resets, d.places
			return next, len(findings) == 0
		}
	}
	return next, len(findings) == 0
}

// foreign completes a service of another file, as if it were called name, so
// that everything that is wrong with it is said about name.
func (e extension) foreign(name, ref string, from base, way []step) (map[string]any, bool) {
	at := path{"services", name}
	e.places.underlay(from.places.moved(path{"services", ref}, at))
	own := mapping(clone(from.services[ref]))
	e.prepare(own, e.places, e.env, at)
	from.services = maps.Clone(from.services)
	from.services[ref] = own
	full, ok := e.service(name, ref, from, way)
	if !ok {
		return nil, false
	}
	m := model{data: map[string]any{"services": map[string]any{name: full}}, places: e.places}
	if !e.canonical(&m) {
		return nil, false
	}
	e.absolute(m.data, e.places, from.dir)
	return mapping(mapping(m.data["services"])[name]), true
}
