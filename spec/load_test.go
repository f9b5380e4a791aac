package spec

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestEveryHonouredKeyIsKept compares the fixture that has every honoured key
// with what was once checked by eye.
func TestEveryHonouredKeyIsKept(t *testing.T) {
	for _, name := range []string{"full", "hello"} {
		dir, err := filepath.Abs("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		p := mustLoad(t, Options{Dir: dir})
		p.Source = Source{}
		got, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(got), dir, "DIR") + "\n"
		golden := filepath.Join("testdata", name, "golden.json")
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s differs from %s; got\n%s", name, golden, text)
		}
	}
}

// TestSeveralFiles merges by Compose's rules: include below, extends below,
// the override on top, relative paths of each file's own folder.
func TestSeveralFiles(t *testing.T) {
	dir, err := filepath.Abs("testdata/several")
	if err != nil {
		t.Fatal(err)
	}
	p := mustLoad(t, Options{Dir: dir, Files: []string{"compose.yaml", "override.yaml"}})
	web, cache := find(t, p, "web"), find(t, p, "cache")
	for _, c := range []struct {
		rule      string
		got, want any
	}{
		{"the override's image wins", web.Container.Image, "web:2"},
		{"the override's variable wins", web.Container.Environment["OWN"], "no"},
		{"a variable comes from the base of the base", web.Container.Environment["FROM"], "common"},
		{"an env file lies in the base's folder", web.Container.Environment["SHARED"], "1"},
		{"!reset takes back", web.Container.WorkingDir, ""},
		{"!override replaces", strings.Join(web.Container.Command, " "), "second"},
		{"the base's user stays", web.Container.User, "7"},
		{"a bind lies in the base's folder", web.Container.Mounts[0].Source, dir + "/shared/assets"},
		{"a route comes from the base", web.Rollout.Route.Port, 8080},
		{"lists of x-teal are replaced, not appended", web.Rollout.Health.Statuses[0].From, 204},
		{"one status is left", len(web.Rollout.Health.Statuses), 1},
		{"a test command is replaced, not appended", strings.Join(web.Rollout.Test.Command, " "), "/second"},
		{"an include has its own .env", cache.Container.Image, "redis:7"},
		{"an include's paths are its folder's", cache.Container.Mounts[0].Source, dir + "/cache/conf"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.rule, c.got, c.want)
		}
	}
	for _, f := range []string{".env", "cache/.env", "cache/compose.yaml", "compose.yaml", "override.yaml", "shared/base.env", "shared/base.yaml"} {
		if !slices.Contains(p.Source.Inputs, filepath.Join(dir, f)) {
			t.Errorf("%s is not among the inputs to watch: %v", f, p.Source.Inputs)
		}
	}
}

func TestLoadTakes(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		opts  Options
		check func(*Project) bool
	}{
		{
			"a name from COMPOSE_PROJECT_NAME in .env",
			map[string]string{".env": "COMPOSE_PROJECT_NAME=fromenv\n", "compose.yaml": "name: x\nservices: {a: {image: b}}"},
			Options{},
			func(p *Project) bool { return p.Name == "fromenv" },
		},
		{
			"a name it is told, over all others",
			map[string]string{".env": "COMPOSE_PROJECT_NAME=fromenv\n", "compose.yaml": "name: x\nservices: {a: {image: b}}"},
			Options{ProjectName: "told"},
			func(p *Project) bool { return p.Name == "told" && p.Services[0].Name.Project == "told" },
		},
		{
			"a name with a variable",
			map[string]string{"compose.yaml": "name: shop-${STAGE:-dev}\nservices: {a: {image: b}}"},
			Options{Interpolation: map[string]string{"STAGE": "live"}},
			func(p *Project) bool { return p.Name == "shop-live" },
		},
		{
			"its own variables over those in .env",
			map[string]string{".env": "TAG=1\nOTHER=2\n", "compose.yaml": "services: {a: {image: 'b:${TAG}-${OTHER}'}}"},
			Options{Interpolation: map[string]string{"TAG": "9"}},
			func(p *Project) bool { return p.Services[0].Container.Image == "b:9-2" },
		},
		{
			"the name of the project as a variable",
			map[string]string{"compose.yaml": "name: shop\nservices: {a: {image: 'b:${COMPOSE_PROJECT_NAME}'}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Image == "b:shop" },
		},
		{
			"services of active profiles only",
			map[string]string{"compose.yaml": "services: {a: {image: b}, c: {image: d, profiles: [x]}, e: {image: f, profiles: [y]}}"},
			Options{Profiles: []string{"y"}},
			func(p *Project) bool { return len(p.Services) == 2 && p.Services[1].Name.Service == "e" },
		},
		{
			"profiles from .env",
			map[string]string{".env": "COMPOSE_PROFILES=x,y\n", "compose.yaml": "services: {a: {image: b}, c: {image: d, profiles: [x]}}"},
			Options{},
			func(p *Project) bool { return len(p.Services) == 2 },
		},
		{
			"the override file beside the default one",
			map[string]string{"compose.yaml": "services: {a: {image: b}}", "compose.override.yaml": "services: {a: {image: c}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Image == "c:latest" && len(p.Source.Files) == 2 },
		},
		{
			"an env file as text",
			map[string]string{"e": "A=1\n", "compose.yaml": "services: {a: {image: b, env_file: e}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Environment["A"] == "1" },
		},
		{
			"a raw env file as it is",
			map[string]string{"e": "A='$x'\n", "compose.yaml": "services: {a: {image: b, env_file: [{path: e, format: raw}]}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Environment["A"] == "'$x'" },
		},
		{
			"a bare variable that .env has",
			map[string]string{".env": "A=1\n", "compose.yaml": "services: {a: {image: b, environment: [A]}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Environment["A"] == "1" },
		},
		{
			"anchors and merge keys",
			map[string]string{"compose.yaml": "x-a: &a {image: b, user: '1'}\nservices: {a: {<<: *a, user: '2'}}"},
			Options{},
			func(p *Project) bool {
				return p.Services[0].Container.Image == "b:latest" && p.Services[0].Container.User == "2"
			},
		},
		{
			"several documents in one file",
			map[string]string{"compose.yaml": "services: {a: {image: b}}\n---\nservices: {a: {image: c}}"},
			Options{},
			func(p *Project) bool { return p.Services[0].Container.Image == "c:latest" },
		},
		{
			"a file outside that the policy allows",
			map[string]string{"in/compose.yaml": "services: {a: {extends: {file: ../out/base.yaml, service: z}}}", "out/base.yaml": "services: {z: {image: b}}"},
			Options{Dir: "in", Policy: Policy{AllowOutside: []string{"out"}}},
			func(p *Project) bool { return p.Services[0].Container.Image == "b:latest" },
		},
	} {
		dir := files(t, c.files)
		c.opts.Dir = filepath.Join(dir, c.opts.Dir)
		for i, o := range c.opts.Policy.AllowOutside {
			c.opts.Policy.AllowOutside[i] = filepath.Join(dir, o)
		}
		p, err := Load(context.Background(), c.opts)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		} else if !c.check(p) {
			t.Errorf("%s: got %+v", c.what, p)
		}
	}
}

// TestNoEnvironment: the same files mean the same in every process.
func TestNoEnvironment(t *testing.T) {
	t.Setenv("TAG", "from-the-process")
	_, err := compose(t, "services: {a: {image: 'b:${TAG}'}}")
	refused(t, err, "the variable TAG has no value")
	_, err = compose(t, "services: {a: {image: b, environment: [TAG]}}")
	refused(t, err, "the variable TAG has no value")
}

// TestStaysInside: whatever a file asks for, nothing outside its folder is read.
func TestStaysInside(t *testing.T) {
	for _, c := range []struct{ what, compose, want string }{
		{"an env file above", "services: {a: {image: b, env_file: ../out/secret.env}}", "lies outside the folder"},
		{"an absolute env file", "services: {a: {image: b, env_file: OUT/secret.env}}", "lies outside the folder"},
		{"an env file behind a link", "services: {a: {image: b, env_file: link.env}}", "link.env: is or passes a symbolic link"},
		{"an env file behind a linked folder", "services: {a: {image: b, env_file: linked/secret.env}}", "is or passes a symbolic link"},
		{"an optional env file above", "services: {a: {image: b, env_file: [{path: ../out/secret.env, required: false}]}}", "lies outside the folder"},
		{"an absolute extends", "services: {a: {extends: {file: OUT/base.yaml, service: z}}}", "lies outside the folder"},
		{"an extends above", "services: {a: {extends: {file: ../out/base.yaml, service: z}}}", "lies outside the folder"},
		{"an extends behind a link", "services: {a: {extends: {file: linked/base.yaml, service: z}}}", "is or passes a symbolic link"},
		{"an include above", "include: [../out/base.yaml]\nservices: {a: {image: b}}", "compose.yaml:1: include[0]: "},
		{"an absolute include", "include: [OUT/base.yaml]\nservices: {a: {image: b}}", "lies outside the folder"},
		{"an include behind a link", "include: [linked/base.yaml]\nservices: {a: {image: b}}", "is or passes a symbolic link"},
		{"an include's env file above", "include: [{path: own.yaml, env_file: ../out/secret.env}]", "lies outside the folder"},
		{"an include's folder above", "include: [{path: own.yaml, project_directory: ../out}]", "lies outside the folder"},
		{"a path in a variable", "services: {a: {image: b, env_file: '${OUT_DIR}/secret.env'}}", "lies outside the folder"},
		{"a home folder", "services: {a: {image: b, env_file: ~/x}}", "~ is not known here"},
		{"a remote include", "include: ['https://example.com/compose.yaml']\nservices: {a: {image: b}}", "does not exist"},
	} {
		dir := files(t, map[string]string{
			"out/secret.env": "PASSWORD=hunter2\n", "out/.env": "PASSWORD=hunter2\n", "out/base.yaml": "services: {z: {image: hunter2}}",
			"in/own.yaml": "services: {o: {image: b}}",
		})
		out := filepath.Join(dir, "out")
		for link, to := range map[string]string{"link.env": out + "/secret.env", "linked": "../out"} {
			if err := os.Symlink(to, filepath.Join(dir, "in", link)); err != nil {
				t.Fatal(err)
			}
		}
		text := strings.ReplaceAll(c.compose, "OUT/", out+"/")
		if err := os.WriteFile(filepath.Join(dir, "in", "compose.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Load(context.Background(), Options{Dir: filepath.Join(dir, "in"), Interpolation: map[string]string{"OUT_DIR": out}})
		t.Run(c.what, func(t *testing.T) { refused(t, err, c.want) })
		if p != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: content of a file outside came through: %v", c.what, err)
		}
	}
}

func TestLimits(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		d := string(rune('0' + i))
		p := string(rune('0' + i - 1))
		bomb += "a" + d + ": &a" + d + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n"
	}
	merges := "x-a0: &a0 {k: v}\n"
	for i := 1; i < 25; i++ {
		d, p := string(rune('A'+i)), string(rune('A'+i-1))
		if i == 1 {
			p = "0"
		}
		merges += "x-" + d + ": &a" + d + " {<<: [*a" + p + ", *a" + p + "]}\n"
	}
	for _, c := range []struct{ what, text, want string }{
		{"a bomb of aliases", bomb, "too large once its aliases are expanded"},
		{"a bomb of merges", merges, "too large once its merges are expanded"},
		{"an alias of itself", "a: &a [*a]\n", "contains itself"},
		{"a merge of itself", "a: &a {<<: *a}\n", "too large"},
		{"a deep file", strings.Repeat("[", 200), "compose.yaml"},
		{"a huge file", "services: {a: {image: b}}\n" + strings.Repeat("#", maxFileSize), "is larger than 1024 KiB"},
		{"an include of itself", "include: [compose.yaml]\nservices: {a: {image: b}}", "includes itself"},
		{"an extends of itself", "services: {a: {image: b, extends: a}}", "extends itself"},
		{"an extends in a ring", "services: {a: {image: b, extends: c}, c: {extends: {file: compose.yaml, service: a}}}", "extends itself"},
		{"a growing variable", "services: {a: {image: '" + strings.Repeat("${BIG}", 40) + "'}}", "grows over"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := files(t, map[string]string{"compose.yaml": c.text})
			_, err := Load(context.Background(), Options{Dir: dir, Interpolation: map[string]string{"BIG": strings.Repeat("x", 1<<16)}})
			refused(t, err, c.want)
		})
	}
}

// TestSpecialFiles: a pipe must not block, a folder is no file.
func TestSpecialFiles(t *testing.T) {
	dir := files(t, map[string]string{"folder/x": "", "compose.yaml": "services: {a: {image: b, env_file: [folder, pipe]}}"})
	mkfifo(t, filepath.Join(dir, "pipe"))
	done := make(chan error, 1)
	go func() {
		_, err := Load(context.Background(), Options{Dir: dir})
		done <- err
	}()
	select {
	case err := <-done:
		refused(t, err, "folder: is not a regular file")
		refused(t, err, "pipe: is not a regular file")
	case <-time.After(10 * time.Second):
		t.Fatal("blocked on a named pipe")
	}
}

// TestInputsOfARefusal: a watcher must see when a refused file gets better.
func TestInputsOfARefusal(t *testing.T) {
	dir := files(t, map[string]string{"compose.yaml": "services: {a: {image: b, env_file: later.env}}"})
	_, err := Load(context.Background(), Options{Dir: dir})
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	for _, f := range []string{"compose.yaml", "later.env", ".env"} {
		if !slices.Contains(failed.Source.Inputs, filepath.Join(dir, f)) {
			t.Errorf("%s is not among %v", f, failed.Source.Inputs)
		}
	}
	if len(failed.Source.Files) != 1 {
		t.Errorf("files: %v", failed.Source.Files)
	}
}

func TestLoadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Load(ctx, Options{Dir: files(t, map[string]string{"compose.yaml": "services: {a: {image: b}}"})})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if _, err := Load(context.Background(), Options{}); err == nil {
		t.Error("neither file nor folder: no error")
	}
	if _, err := Load(context.Background(), Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no Compose file") {
		t.Errorf("an empty folder: %v", err)
	}
}
