package adopt

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal/spec"
)

var update = flag.Bool("update", false, "write the expected files anew")

// site is a folder of testdata: what is there today.
func site(t *testing.T, name string) Site {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker-compose.yml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Site{Options: spec.Options{Files: []string{file}, Dir: dir}, Text: text}
}

// write writes the desired state of a site.
func write(t *testing.T, s Site, c Choice) (Result, error) {
	t.Helper()
	c.Draft = filepath.Join(s.Options.Dir, "compose.yaml")
	return Write(t.Context(), s, c)
}

// container is one that runs as service of project.
func container(project, service string, ports ...Port) Container {
	return Container{Name: project + "_" + service + "_1", Project: project, Service: service, Image: service + ":running", Running: true, Ports: ports, Addresses: []string{"172.20.0.5"}}
}

func port(host, inside int) Port { return Port{HostIP: "0.0.0.0", Host: host, Inside: inside} }

// pennyway is what runs in the site of that name.
func pennyway(t *testing.T, serving spec.Colour) Site {
	s := site(t, "pennyway")
	blue, green := container("pennyway", "was_blue", port(8080, 8080)), container("pennyway", "was_green", port(8081, 8080))
	blue.Name, green.Name = "was_blue", "was_green"
	blue.Running, green.Running = serving == spec.Blue, serving == spec.Green
	s.Running = []Container{blue, green, container("pennyway", "rdb", port(3306, 3306)), container("pennyway", "cache")}
	s.Running[2].Name, s.Running[3].Name = "rdb", "cache"
	return s
}

// expect compares with a file of testdata, which was once looked at.
func expect(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("differs from %s; got\n%s", file, got)
	}
}

// TestPennyway is the set-up of the first users.
func TestPennyway(t *testing.T) {
	s := pennyway(t, spec.Green)
	var err error
	if s.Nginx, err = ReadNginx("testdata/pennyway/nginx.conf"); err != nil {
		t.Fatal(err)
	}
	r, err := write(t, s, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "pennyway/expected.yml", r.Text)
	if len(r.Wrong) > 0 {
		t.Errorf("what was written is refused: %v", r.Wrong)
	}
	was := r.Apps[0]
	if was.Colour != spec.Green || was.Why != "nginx names both, and was_blue does not run" || was.Adopted.Address != "10.0.0.5:8081" {
		t.Errorf("got %+v", was)
	}
	if len(was.Proxied) != 1 || was.Proxied[0].Place() != "testdata/pennyway/nginx.conf:19" {
		t.Errorf("got %+v", was.Proxied)
	}
	if got := r.Left.Error(); !strings.Contains(got, "docker-compose.yml:27: services.rdb.container_name:") || strings.Contains(got, "was_") {
		t.Errorf("left:\n%s", got)
	}
	if len(was.Notes) != 2 || was.Notes[0] != "image differs between the colours; that of was_green stays: pennyway/pennyway-was:1.4.0 → pennyway/pennyway-was:1.4.1" {
		t.Errorf("notes: %q", was.Notes)
	}
}

// TestShapes: other ways in which sites write the same. What is wanted are
// lines of the text; nothing of it may be refused.
func TestShapes(t *testing.T) {
	const head = "name: p\nservices:\n"
	for _, c := range []struct {
		what, text  string
		want, lacks []string
	}{
		{
			"an anchor on the colour that goes",
			head + "  was_blue: &was\n    image: was:1\n    container_name: was_blue\n    ports: ['8080:80']\n    user: me\n  was_green:\n    <<: *was\n    image: was:2\n    container_name: was_green\n    ports: ['8081:80']\n    user: you\n",
			[]string{"  was: &was\n", "    image: was:2\n", "    user: you\n", "publish: {blue: 8080, green: 8081}", "green: {container: p_was_green_1, address: 127.0.0.1:8081}"},
			[]string{"was_blue", "was:1", "ports:", "container_name"},
		},
		{
			"extends of the colour that goes",
			head + "  was_blue:\n    image: was:1\n    ports: ['8080:80']\n  was_green:\n    extends: was_blue\n    ports: !override ['8081:80']\n",
			[]string{"  was:\n    image: was:1\n", "publish: {blue: 8080, green: 8081}"},
			[]string{"was_blue", "extends", "ports:"},
		},
		{
			"a fragment for both",
			"x-was: &was\n  image: was:1\n  restart: always\n" + head + "  was_blue: {<<: *was, ports: ['8080:80']}\n  was_green: {<<: *was, ports: ['8081:80']}\n",
			[]string{"x-was: &was\n", "  was:\n    <<: *was\n    x-teal:\n"},
			[]string{"was_blue", "8081:80"},
		},
		{
			"dashes, profiles and others that depend on it",
			head + "  was-blue:\n    image: was:1\n    profiles: [blue]\n    ports: ['8080:80']\n  was-green:\n    image: was:1\n    profiles: [green]\n    ports: ['8081:80']\n  # the bastion's\n  edge:\n    image: nginx\n    depends_on:\n      - was-blue\n      - was-green\n  tail: {image: t, depends_on: {was-green: {condition: service_started}}}\n",
			[]string{"  was:\n    image: was:1\n    x-teal:", "    depends_on:\n    - was\n", "  # the bastion's\n  edge:", "      was: {condition: service_started}"},
			[]string{"profiles", "was-blue", "- was-"},
		},
		{
			"keys that are not honoured stay as comments",
			head + "  was_blue:\n    image: was:1\n    ports: ['8080:80']\n  was_green:\n    image: was:1\n    build:\n      context: .\n\n      args: {A: b}\n    networks: [back]\n    ports: ['8081:80']\nnetworks:\n  back:\n    attachable: true\n    driver: bridge\nconfigs:\n  s: {file: x}\n",
			[]string{"    # not carried over: Teal runs images and builds none; build and push it, then write image\n    # build:\n    #   context: .\n    #\n    #   args: {A: b}\n    networks", "    # attachable: true", "# configs:\n#   s: {file: x}\n"},
			nil,
		},
		{
			"an image that is only built",
			head + "  was_blue:\n    build: .\n    ports: ['8080:80']\n  was_green:\n    build: .\n    ports: ['8081:80']\n",
			[]string{"    # build: .\n    image: was_green:running\n    x-teal:"},
			nil,
		},
		{
			"a healthcheck of HTTP",
			head + "  was_blue: {image: w, ports: ['8080:80'], healthcheck: {test: curl -f http://localhost/up?full=1 || exit 1}}\n  was_green: {image: w, ports: ['8081:80'], healthcheck: {test: curl -f http://localhost/up?full=1 || exit 1}}\n",
			[]string{`health: {http: "/up?full=1"}`},
			nil,
		},
		{
			"a healthcheck of another port",
			head + "  was_blue: {image: w, ports: ['8080:80'], healthcheck: {test: [CMD, curl, 'http://localhost:9000/up']}}\n  was_green: {image: w, ports: ['8081:80'], healthcheck: {test: [CMD, curl, 'http://localhost:9000/up']}}\n",
			[]string{"route: {port: 80}\n      publish"},
			nil,
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := Site{Options: spec.Options{Dir: t.TempDir()}, Text: []byte(c.text)}
			s.Options.Files = []string{filepath.Join(s.Options.Dir, "docker-compose.yml")}
			s.Options.Drafts = map[string][]byte{s.Options.Files[0]: s.Text}
			for _, sep := range []string{"_", "-"} {
				s.Running = append(s.Running, container("p", "was"+sep+"green", port(8081, 80)))
			}
			r, err := write(t, s, Choice{})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(r.Text), want) {
					t.Errorf("lacks %q", want)
				}
			}
			for _, no := range c.lacks {
				if strings.Contains(strings.ReplaceAll(string(r.Text), "p_was_green_1", ""), no) {
					t.Errorf("holds %q", no)
				}
			}
			if len(r.Wrong) > 0 {
				t.Errorf("refused:\n%v", r.Wrong)
			}
			if t.Failed() {
				t.Logf("\n%s", r.Text)
			}
		})
	}
}

// TestWhoServes: where nginx points and what runs, and who therefore serves.
func TestWhoServes(t *testing.T) {
	const one, both = "http://10.0.0.5:8080", "http://was"
	upstream := func(servers string) string {
		return "upstream was {\n" + servers + "}\nserver { location / { proxy_pass " + both + "; } }"
	}
	for _, c := range []struct {
		what, nginx string
		blue, green bool // run
		serves      string
		want        spec.Colour
		why         string // part of the reason, or of the question
	}{
		{"only one runs, nothing is known of nginx", "", true, false, "", spec.Blue, "was_green does not run"},
		{"both run, nothing is known of nginx", "", true, true, "", "", "it is not known where nginx points"},
		{"both run, the operator says", "", true, true, "green", spec.Green, "as --serves says"},
		{"none runs", "", false, false, "", "", "neither was_blue nor was_green runs"},
		{"nginx names one", "server { location / { proxy_pass " + one + "; } }", true, true, "", spec.Blue, "nginx sends requests to it alone: 10.0.0.5:8080 at nginx.conf:1"},
		{"nginx names one that does not run", "server { location / { proxy_pass " + one + "; } }", false, true, "", "", "was_blue is to serve"},
		{"nginx names both, one runs", upstream("server 10.0.0.5:8080; server 10.0.0.5:8081;"), false, true, "", spec.Green, "nginx names both, and was_blue does not run"},
		{"nginx names both, both run", upstream("server 10.0.0.5:8080;\nserver 10.0.0.5:8081;"), true, true, "", "", "both run, and nginx sends requests to both (10.0.0.5:8080 at nginx.conf:2; 10.0.0.5:8081 at nginx.conf:3)"},
		{"one of them is down in nginx", upstream("server 10.0.0.5:8080 down; server 10.0.0.5:8081;"), true, true, "", spec.Green, "to it alone"},
		{"one of them is the backup", upstream("server 10.0.0.5:8080 backup; server 10.0.0.5:8081;"), true, true, "", spec.Green, "to it alone"},
		{"the backup serves, since the other does not run", upstream("server 10.0.0.5:8080 backup; server 10.0.0.5:8081;"), true, false, "", spec.Blue, "backup of was_green, which does not run"},
		{"names of the services", "server { location / { proxy_pass http://was_green:8080; } }", true, true, "", spec.Green, "to it alone"},
		{"a variable", "server { set $up was_blue; location / { proxy_pass http://$up:8080; } }", true, true, "", spec.Blue, "to it alone"},
		{"nginx leads elsewhere", "server { location / { proxy_pass http://cache:8080; } }", true, true, "", "", "no proxy_pass of nginx leads to either"},
		{"the operator says what does not run", "", true, false, "green", "", "was_green is to serve (as --serves says), but it has no running container"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := pennyway(t, "")
			s.Running[0].Running, s.Running[1].Running = c.blue, c.green
			if c.nginx != "" {
				s.Nginx = nginxOf(t, c.nginx)
			}
			choice := Choice{}
			if c.serves != "" {
				choice.Serves = map[string]string{"was": c.serves}
			}
			r, err := write(t, s, choice)
			var question *QuestionError
			if c.want == "" {
				if !errors.As(err, &question) || !strings.Contains(question.Message, c.why) || question.Hint == "" {
					t.Errorf("got %v, want a question with %q", err, c.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a := r.Apps[0]; a.Colour != c.want || !strings.Contains(a.Why, c.why) {
				t.Errorf("%s because %s", a.Colour, a.Why)
			}
		})
	}
}

// TestRoutes: what nginx's configuration says about host and path.
func TestRoutes(t *testing.T) {
	const pass = "proxy_pass http://h.example:8081; "
	for _, c := range []struct {
		nginx string
		want  spec.Route
		said  string
	}{
		{"server { server_name API.example.com; location / { " + pass + "} }", spec.Route{Host: "api.example.com"}, ""},
		{"server { server_name _; location / { " + pass + "} }", spec.Route{}, ""},
		{"server { server_name a.com b.com *.c.com ~^x; location / { " + pass + "} }", spec.Route{}, "several host names lead to it (a.com, b.com)"},
		{"server { server_name a.com; location /api/ { " + pass + "} }", spec.Route{Host: "a.com", Path: "/api"}, ""},
		{"server { location /api { " + pass + "} location /v2 { " + pass + "} }", spec.Route{}, "several locations lead to it (/api, /v2)"},
		{"server { location ~ ^/v[0-9] { " + pass + "} }", spec.Route{}, "nginx.conf:1: proxy_pass: the location is not a prefix"},
		{"server { location /app/ { proxy_pass http://h.example:8081/; } }", spec.Route{Path: "/app"}, "nginx.conf:1: proxy_pass: nginx changes the path here"},
	} {
		s := pennyway(t, spec.Green)
		s.Nginx = nginxOf(t, c.nginx)
		r, err := write(t, s, Choice{})
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(r.Apps[0].Notes, "\n") + "\n" + r.Left.Error()
		if got := r.Apps[0].Route; got != c.want || !strings.Contains(said, c.said) {
			t.Errorf("%s: got %+v, said\n%s", c.nginx, got, said)
		}
	}
}

// TestPlain: one container that publishes its port itself.
func TestPlain(t *testing.T) {
	s := site(t, "plain")
	s.Running = []Container{container("plain", "web", port(80, 3000))}
	r, err := write(t, s, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "plain/expected.yml", r.Text)
	web := r.Apps[0]
	if len(r.Wrong) > 0 || web.Adopted.Address != "172.20.0.5:3000" || !slices.Equal(web.Taken, []Port{{Host: 80, Inside: 3000}}) {
		t.Errorf("got %+v, wrong %v", web, r.Wrong)
	}
}

// TestHosts: where hosts are configured, everything says where it is.
func TestHosts(t *testing.T) {
	s := pennyway(t, spec.Blue)
	for i := range s.Running {
		s.Running[i].Host = "app-1"
	}
	s.Hosts = []Host{{Name: "edge"}, {Name: "app-1", Address: "10.0.0.5"}}
	r, err := write(t, s, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"x-teal-hosts: [app-1]\n    x-teal-adopt:\n      blue: {container: was_blue, host: app-1, address: 10.0.0.5:8080}\n",
		"x-teal-hosts: app-1\n    x-teal-adopt: {container: rdb, host: app-1}\n",
	} {
		if !strings.Contains(string(r.Text), want) {
			t.Errorf("lacks %s in\n%s", want, r.Text)
		}
	}
	if len(r.Wrong) > 0 {
		t.Errorf("refused: %v", r.Wrong)
	}
}

// TestQuestions: what cannot be found out is asked, with the flag that answers.
func TestQuestions(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*Site, *Choice)
		want   string
	}{
		{"no pair", func(s *Site, _ *Choice) {
			s.Text = []byte("services:\n  a: {image: a}\n  b: {image: b}\n")
		}, "no services in docker-compose.yml are a pair of colours"},
		{"a pair that is not there", func(_ *Site, c *Choice) { c.Pairs = []Pair{{"x", "nobody", "rdb"}} }, `there is no service "nobody"`},
		{"an app that is not there", func(_ *Site, c *Choice) { c.App = "web" }, `there is no service "web"`},
		{"an app that does not run", func(s *Site, c *Choice) { c.App = "cache"; s.Running = s.Running[:3] }, "cache has no running container in the project pennyway"},
		{"the name is taken", func(s *Site, _ *Choice) {
			s.Text = append(slices.Clone(s.Text), "\n"...)
			s.Text = []byte(strings.Replace(string(s.Text), "  cache:", "  was:", 1))
		}, "would become was, and there is a service of that name"},
		{"another project", func(s *Site, _ *Choice) { s.Options.ProjectName = "other" }, "in the project other"},
		{"not YAML", func(s *Site, _ *Choice) { s.Text = []byte("services: [") }, "docker-compose.yml: read YAML"},
		{"a list", func(s *Site, _ *Choice) { s.Text = []byte("- a\n") }, "a Compose file is a mapping"},
	} {
		s, choice := pennyway(t, spec.Blue), Choice{}
		if c.what == "another project" {
			s.Running[0].Name, s.Running[1].Name = "x", "y"
		}
		c.change(&s, &choice)
		s.Options.Drafts = map[string][]byte{s.Options.Files[0]: s.Text}
		if _, err := write(t, s, choice); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.what, err, c.want)
		}
	}
}

func TestParsePair(t *testing.T) {
	if p, err := ParsePair("was=b,g"); err != nil || p != (Pair{"was", "b", "g"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"", "was", "was=b", "was=b,b", "=b,g", "was=b,g,c", "was=,g"} {
		if _, err := ParsePair(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, pennyway(t, spec.Blue), Choice{Draft: "/x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
