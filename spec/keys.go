package spec

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// rule says which keys of a mapping are honoured. Whatever it does not name is
// refused, so that a key Compose invents tomorrow is refused until Teal knows it.
type rule struct {
	keys map[string]*rule // of a mapping with fixed keys
	each *rule            // values of a mapping with free keys
	item *rule            // items of a list
	why  map[string]string
	own  []string // extension keys that mean something
}

var leaf *rule

func fixed(keys ...string) *rule {
	r := &rule{keys: map[string]*rule{}}
	for _, k := range keys {
		r.keys[k] = leaf
	}
	return r
}

func (r *rule) set(key string, inner *rule) *rule {
	r.keys[key] = inner
	return r
}

func (r *rule) with(own []string) *rule {
	r.own = own
	return r
}

func (r *rule) because(why map[string]string) *rule {
	r.why = why
	return r
}

// honoured is the tree of all keys that Teal honours.
var honoured = fixed("version", "name").because(refusedTop).with(ownTop).
	set("include", &rule{item: fixed("path", "project_directory", "env_file")}).
	set("services", &rule{each: honouredService}).
	set("networks", &rule{each: honouredNetwork}).
	set("volumes", &rule{each: fixed("name", "driver", "driver_opts", "external", "labels")}).
	set("secrets", &rule{each: fixed("file", "environment").because(refusedSecret)})

var honouredService = fixed(
	"cap_add", "cap_drop", "command", "cpus", "entrypoint", "environment", "expose", "extra_hosts", "hostname", "image",
	"init", "labels", "mem_limit", "pids_limit", "profiles", "pull_policy", "read_only", "restart", "scale",
	"security_opt", "shm_size", "stop_grace_period", "stop_signal", "tmpfs", "tty", "user", "working_dir",
).because(refusedService).with(ownKeys).
	set("extends", fixed("service", "file")).
	set("env_file", &rule{item: fixed("path", "required", "format")}).
	set("depends_on", &rule{each: fixed("condition", "required", "restart")}).
	set("healthcheck", fixed("test", "interval", "timeout", "retries", "start_period", "disable").because(map[string]string{
		"start_interval": "engines before 25 do not know it",
	})).
	set("logging", fixed("driver", "options")).
	set("networks", &rule{each: fixed("aliases").because(refusedAttachment)}).
	set("ports", &rule{item: fixed("target", "published", "protocol", "host_ip", "mode").because(map[string]string{
		"name": "it has no effect on an engine", "app_protocol": "it has no effect on an engine",
	})}).
	set("volumes", &rule{item: honouredMount}).
	set("secrets", &rule{item: fixed("source", "target", "uid", "gid", "mode")}).
	set("ulimits", &rule{each: fixed("soft", "hard")}).
	set("deploy", fixed("replicas").because(refusedDeploy).
		set("resources", fixed().because(map[string]string{
			"reservations": "one engine reserves nothing; write deploy.resources.limits",
		}).set("limits", fixed("cpus", "memory", "pids"))))

var honouredMount = fixed("type", "source", "target", "read_only").because(map[string]string{
	"consistency": whyNoEffect, "image": whyNotYet,
}).
	set("bind", fixed("create_host_path").because(map[string]string{
		"propagation": "mounts of the host must not follow into containers or out of them",
		"selinux":     "relabelling files of the host is not honoured yet",
		"recursive":   "it is not honoured yet",
	})).
	set("volume", fixed("nocopy").because(map[string]string{"subpath": whyNotYet, "labels": "write them under volumes"})).
	set("tmpfs", fixed("size", "mode"))

var honouredNetwork = fixed("name", "driver", "driver_opts", "external", "internal", "labels").because(map[string]string{
	"attachable": whySwarm, "enable_ipv4": whyNotYet, "enable_ipv6": whyNotYet,
}).set("ipam", fixed().because(map[string]string{"driver": whyNotYet, "options": whyNotYet}).
	set("config", &rule{item: fixed("subnet").because(map[string]string{
		"aux_addresses": whyNotYet, "gateway": whyNotYet, "ip_range": whyNotYet,
	})}))

// check removes from value what r does not name, and reports it.
func (r *rule) check(value any, at path, report func(finding)) {
	if r == nil {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		for _, k := range sortedKeys(value) {
			switch inner, known := r.keys[k]; {
			case r.keys == nil:
				r.each.check(value[k], at.with(k), report)
			case known:
				inner.check(value[k], at.with(k), report)
			case meantKey(k, r.own) != "":
				report(finding{at: at.with(k), message: "unknown key", hint: "did you mean " + quote(meantKey(k, r.own)) + "?"})
				delete(value, k)
			case r == honouredService && strings.HasPrefix(k, "x-teal-") && !slices.Contains(r.own, k):
				report(finding{at: at.with(k), message: "unknown key", hint: suggestion(k, ownKeys)})
				delete(value, k)
			case !strings.HasPrefix(k, "x-"):
				report(r.refuse(k, at))
				delete(value, k)
			}
		}
	case []any:
		for i, v := range value {
			r.item.check(v, at.item(i), report)
		}
	}
}

func (r *rule) refuse(key string, at path) finding {
	f := finding{at: at.with(key)}
	if why, ok := r.why[key]; ok {
		f.message, f.reason = "Teal does not honour this key: "+why, why
		return f
	}
	f.message = "unknown key"
	f.hint = suggestion(key, sortedKeys(r.keys))
	return f
}

// suggestion names the nearest of allowed, and all of them.
func suggestion(word string, allowed []string) string {
	hint := "allowed: " + strings.Join(allowed, ", ")
	n := nearest(word, allowed)
	switch {
	case n == "":
		return hint
	case len(allowed) > 20:
		return "did you mean " + quote(n) + "?"
	}
	return "did you mean " + quote(n) + "? " + hint
}

// nearest returns the word that a typist most probably meant, or "".
func nearest(word string, allowed []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, a := range slices.Sorted(slices.Values(allowed)) {
		d := levenshtein.ComputeDistance(strings.ToLower(word), a)
		if strings.ReplaceAll(strings.ToLower(word), "-", "_") == a {
			d = 0
		}
		if d < distance && d < len(a) {
			best, distance = a, d
		}
	}
	return best
}

func quote(s string) string { return `"` + s + `"` }

// meantKey returns the key of our own that an extension key of a service or, at
// the top, of a file was most probably meant to be: one with swapped letters,
// another case or an underscore would silently be ignored. "": none, or it is
// one.
func meantKey(key string, own []string) string {
	if slices.Contains(own, key) {
		return ""
	}
	plain := strings.ReplaceAll(strings.ToLower(key), "_", "-")
	if !strings.HasPrefix(plain, "x-") {
		return ""
	}
	letters := func(s string) string {
		b := []byte(s)
		slices.Sort(b)
		return string(b)
	}
	for _, k := range own {
		if letters(plain) == letters(k) {
			return k
		}
	}
	if n := nearest(plain, own); len(n) > len("x-teal") && levenshtein.ComputeDistance(plain, n) <= 2 {
		return n
	}
	return ""
}

// ownKeys are Teal's keys of a service, ownTop those of a file.
var (
	ownKeys = []string{"x-teal", keyHosts, keyAdopt, keyWindows, keyFreezes}
	ownTop  = []string{keyHosts, keyWindows, keyFreezes}
)
