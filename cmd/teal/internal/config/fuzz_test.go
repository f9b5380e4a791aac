package config

import (
	"errors"
	"strings"
	"testing"
)

// FuzzFill: whatever teal.yaml says, reading it ends, does not panic, and what is
// wrong is a problem that names the file.
func FuzzFill(f *testing.F) {
	for _, text := range []string{
		"", "http: ':80'\n", "file: [a, b]\nvariables: {A: b}\n", "hosts:\n  a: {url: ssh://u@h, identity: [x, y]}\n", "max_parallel: x\n",
		"hosts: {a: 'unix:///s?x=%zz'}\n", "a: &a [*a]\n", "http: *nothing\n", "? [a]\n: b\n", "- a\n", "http: !!binary x\n", "--- a\n--- b\n", "<<: {http: a}\n",
		"hosts: {? {a: b} : c}\n", "variables: &v {A: *v}\n", "a: " + strings.Repeat("[", 5000), "x: &x [1,1]\ny: &y [*x,*x]\nz: &z [*y,*y]\n", "grace: 1e999\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, _ := flags(t)
		path := file(t, text)
		err := Fill(set, set, func(string) string { return "" }, path)
		var problems Problems
		if err == nil {
			return
		}
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("not told as problems: %v", err)
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Where, path) || p.Message == "" {
				t.Fatalf("the problem %+v does not name the file", p)
			}
		}
	})
}
