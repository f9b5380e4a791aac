package spec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: whatever the files say, loading ends, does not panic, says where it
// is wrong, and what it takes is valid, complete and the same after JSON.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"full", "hello", "several"} {
		text, err := os.ReadFile(filepath.Join("testdata", name, "compose.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "A=1\nB=${A}\n")
	}
	for _, text := range []string{
		"services: {a: {image: b, extends: a}}", "include: [compose.yaml]", "a: &a [*a]", "services: {a: {<<: {image: b}}}",
		"services: {a: {image: b, ports: ['1-5:1-5']}}", "services: {a: !reset null}", "services: {a: !override {image: b}}",
		"services: {a: {image: '${X:-${Y:-b}}', env_file: .env}}", "services: {a: {image: b, volumes: [x, 'C:\\x:/y', {type: bind}]}}",
		"services: {a: {image: b, ulimits: {x: {soft: a}}, networks: [x], depends_on: [a]}}", "networks: {a: 1}\nservices: {a: []}",
		"services: {a: {image: b, x-teal: {route: {port: 1}, promotion: {after: []}, health: {status: [[]]}}}}",
	} {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, env string) {
		dir := files(t, map[string]string{"compose.yaml": text, ".env": env})
		p, err := Load(context.Background(), Options{Dir: dir})
		var failed *Error
		switch {
		case err == nil:
			checkLoaded(t, p, dir)
		case !errors.As(err, &failed):
			t.Fatalf("not a refusal: %v", err)
		case p != nil || len(failed.Problems) == 0:
			t.Fatalf("a refusal with a project or without a problem: %v", failed)
		default:
			for _, f := range failed.Source.Inputs {
				if !strings.HasPrefix(f, dir) {
					t.Fatalf("asked for %s, outside of %s", f, dir)
				}
			}
		}
	})
}

func checkLoaded(t *testing.T, p *Project, dir string) {
	t.Helper()
	sent := viaJSON(t, p)
	if err := sent.Validate(Policy{Dir: dir}); err != nil {
		t.Fatalf("loaded, but not valid: %v", err)
	}
	for i, s := range p.Services {
		if Fingerprint(s) != Fingerprint(sent.Services[i]) {
			t.Fatalf("%s is another after JSON", s.Name)
		}
	}
	if changes := Diff(*p, sent); len(changes) > 0 {
		t.Fatalf("differs after JSON: %v", changes)
	}
}
