package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// settings are flags of every kind there is.
type settings struct {
	http     string
	files    []string
	vars     []string
	parallel int
	prune    bool
	grace    time.Duration
	hosts    []string
}

func flags(t *testing.T) (*pflag.FlagSet, *settings) {
	t.Helper()
	var s settings
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.StringVar(&s.http, "http", ":80", "")
	f.StringSliceVar(&s.files, "file", nil, "")
	f.StringArrayVar(&s.vars, "variables", nil, "")
	f.IntVar(&s.parallel, "max-parallel", 8, "")
	f.BoolVar(&s.prune, "prune", false, "")
	f.DurationVar(&s.grace, "grace", time.Second, "")
	f.StringArrayVar(&s.hosts, "host", nil, "")
	f.Bool("no-wait", false, "")
	if err := errors.Join(MarkPath(f, "file"), MarkPairs(f, "variables"),
		MarkTable(f, "host", Table{Key: "hosts", Fields: []string{"address", "ports", "identity"}, Paths: []string{"identity"}})); err != nil {
		t.Fatal(err)
	}
	return f, &s
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "teal.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(kv map[string]string) func(string) string { return func(k string) string { return kv[k] } }

func TestFlagThenEnvironmentThenFileThenDefault(t *testing.T) {
	path := file(t, "http: :1\nmax_parallel: 1\nprune: true\n")
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		file string
		want string
	}{
		{"default", nil, nil, "", ":80"},
		{"file", nil, nil, path, ":1"},
		{"environment over file", nil, map[string]string{"TEAL_HTTP": ":2"}, path, ":2"},
		{"flag over all", []string{"--http", ":3"}, map[string]string{"TEAL_HTTP": ":2"}, path, ":3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, s := flags(t)
			if err := f.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			if err := Fill(f, f, env(c.env), c.file, "no-wait"); err != nil {
				t.Fatal(err)
			}
			if s.http != c.want {
				t.Errorf("http is %s", s.http)
			}
		})
	}
}

func TestEveryKindOfValue(t *testing.T) {
	path := file(t, "file: [compose.yaml, /abs/other.yaml]\nvariables: {TAG: v1, URL: 'http://a/?b=c,d'}\nmax_parallel: 3\nprune: true\ngrace: 1m\n")
	f, s := flags(t)
	if err := Fill(f, f, env(nil), path, "no-wait"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.files, []string{filepath.Join(filepath.Dir(path), "compose.yaml"), "/abs/other.yaml"}) {
		t.Errorf("files %q", s.files)
	}
	if !slices.Equal(s.vars, []string{"TAG=v1", "URL=http://a/?b=c,d"}) {
		t.Errorf("variables %q", s.vars)
	}
	if s.parallel != 3 || !s.prune || s.grace != time.Minute {
		t.Errorf("got %+v", s)
	}
}

func TestATableOfURLs(t *testing.T) {
	path := file(t, "hosts:\n  edge: unix:///s\n  a: ssh://u@a?ports=1-2&identity=key\n  b: {url: 'tcp://b:1', identity: [/k, l], address: 'fd00::1'}\n")
	f, s := flags(t)
	if err := Fill(f, f, env(nil), path, "no-wait"); err != nil {
		t.Fatal(err)
	}
	here := strings.ReplaceAll(filepath.Join(filepath.Dir(path), "key"), "/", "%2F")
	if want := []string{"edge=unix:///s", "a=ssh://u@a?identity=" + here + "&ports=1-2", "b=tcp://b:1?address=fd00%3A%3A1&identity=%2Fk%2C" + strings.TrimSuffix(here, "key") + "l"}; !slices.Equal(s.hosts, want) {
		t.Errorf("hosts %q, want %q", s.hosts, want)
	}
	f, s = flags(t)
	if err := Fill(f, f, env(map[string]string{"TEAL_HOST": "a=ssh://a,b=ssh://b"}), path, "no-wait"); err != nil || !slices.Equal(s.hosts, []string{"a=ssh://a", "b=ssh://b"}) {
		t.Errorf("%v, hosts %q", err, s.hosts)
	}
}

func TestListsInTheEnvironment(t *testing.T) {
	f, s := flags(t)
	if err := Fill(f, f, env(map[string]string{"TEAL_FILE": "a.yaml,b.yaml", "TEAL_MAX_PARALLEL": "2"}), ""); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.files, []string{"a.yaml", "b.yaml"}) || s.parallel != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesNameTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name, text string
		env        map[string]string
		want       []string
	}{
		{"unknown key", "http: :1\nmax_parallels: 3\n", nil, []string{"teal.yaml:2: max_parallels is not a key here; did you mean max_parallel?"}},
		{"unlike anything", "zzzzzzzzz: 3\n", nil, []string{"teal.yaml:1: zzzzzzzzz is not a key here"}},
		{"a flag's spelling", "max-parallel: 3\n", nil, []string{"did you mean max_parallel?"}},
		{"no setting", "no_wait: true\n", nil, []string{"no_wait is not a key here"}},
		{"twice", "http: a\nhttp: b\n", nil, []string{"teal.yaml"}},
		{"wrong kind", "max_parallel: many\n", nil, []string{`teal.yaml:1: max_parallel: "many" is not one value (int)`}},
		{"list for one", "http: [a]\n", nil, []string{"http is one value (string)"}},
		{"mapping for a list", "file: {a: b}\n", nil, []string{"file is a list of texts"}},
		{"deep list", "file: [[a]]\n", nil, []string{"file is a list of texts"}},
		{"nothing", "http:\n", nil, []string{"http has no value"}},
		{"not a mapping", "- a\n", nil, []string{"must hold keys and values"}},
		{"not YAML", "a: [\n", nil, []string{"is not YAML"}},
		{"the flag's name for a table", "host: [a=unix:///s]\n", nil, []string{"host is not a key here; did you mean hosts?"}},
		{"unknown field", "hosts:\n  app:\n    url: ssh://a\n    addrezz: b\n", nil, []string{":4: hosts.app.addrezz is not a key here; did you mean address?"}},
		{"no url", "hosts:\n  app: {address: b}\n", nil, []string{":2: hosts.app has no url"}},
		{"no value", "hosts:\n  app:\n", nil, []string{":2: hosts.app is a URL, or a mapping with a url"}},
		{"deep value", "hosts: {app: {url: a, ports: {from: 1}}}\n", nil, []string{":1: hosts.app.ports is a text, or a list of texts"}},
		{"one URL for a table", "hosts: [[a]]\n", nil, []string{"hosts is a mapping of names to URLs"}},
		{"name twice", "hosts: {a: ssh://a, a: ssh://b}\n", nil, []string{"teal.yaml"}},
		{"bad variable", "", map[string]string{"TEAL_GRACE": "soon"}, []string{`TEAL_GRACE: grace: "soon"`}},
		{"all at once", "a_b_c_d_e: 1\nmax_parallel: x\n", nil, []string{":1: a_b_c_d_e", ":2: max_parallel"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, _ := flags(t)
			err := Fill(f, f, env(c.env), file(t, c.text), "no-wait")
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Fatalf("got %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestAFlagDoesNotHideAMistakeInTheFile(t *testing.T) {
	f, _ := flags(t)
	if err := f.Parse([]string{"--http", ":3"}); err != nil {
		t.Fatal(err)
	}
	if err := Fill(f, f, env(nil), file(t, "http: [x]\n"), "no-wait"); err == nil {
		t.Error("nothing was said")
	}
}

func TestKeysOfOtherVerbsAreCheckedAndLeft(t *testing.T) {
	f := pflag.NewFlagSet("small", pflag.ContinueOnError)
	http := f.String("http", ":80", "")
	schema, _ := flags(t)
	if err := Fill(f, schema, env(nil), file(t, "http: :1\nmax_parallel: 3\n")); err != nil || *http != ":1" {
		t.Errorf("%v, http is %s", err, *http)
	}
	if err := Fill(f, schema, env(nil), file(t, "max_parallel: [3]\n")); err == nil {
		t.Error("a wrong value of another verb's key was not refused")
	}
}

func TestAnEmptyFileSaysNothing(t *testing.T) {
	f, s := flags(t)
	if err := Fill(f, f, env(nil), file(t, ""), "no-wait"); err != nil || s.http != ":80" {
		t.Errorf("%v, %+v", err, s)
	}
}
