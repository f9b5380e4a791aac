package adopt

import (
	"path/filepath"
	"strings"
	"testing"

	"teal/spec"
)

// TestPage: edits by lines leave all else as it was.
func TestPage(t *testing.T) {
	const text = "# top\nname: p\n\nservices:\n  # the first\n  a:   # one\n    image: a\n    ports:\n      - '80'\n    # below\n\n  # the second\n  b:\n    image: b\n    # not shallow\n  # shallow\nvolumes: {}\n"
	for _, c := range []struct {
		what string
		edit func(*page)
		want string
	}{
		{"nothing", func(*page) {}, text},
		{"a name", func(p *page) { p.rename(p.service("a"), "web") }, strings.Replace(text, "  a:   # one", "  web:   # one", 1)},
		{"a service and what is in it", func(p *page) {
			a := p.service("a")
			p.outcomment(named(p.keys(a), "ports"), "why")
			p.drop(a)
		}, "# top\nname: p\n\nservices:\n  # the second\n  b:\n    image: b\n    # not shallow\n  # shallow\nvolumes: {}\n"},
		{
			"a key as a comment", func(p *page) { p.outcomment(named(p.keys(p.service("a")), "ports"), "why") },
			strings.Replace(text, "    ports:\n      - '80'\n", "    # why\n    # ports:\n    #   - '80'\n", 1),
		},
		{"twice the same lines", func(p *page) {
			image := named(p.keys(p.service("a")), "image")
			p.outcomment(image, "why")
			p.drop(image)
		}, strings.Replace(text, "    image: a\n", "", 1)},
		{
			"lines at the end of a service", func(p *page) { p.add(p.service("b"), "x: y", "z:", "  k: v") },
			strings.Replace(text, "    # not shallow\n", "    # not shallow\n    x: y\n    z:\n      k: v\n", 1),
		},
	} {
		p, err := read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.edit(p)
		if got := string(p.text()); got != c.want {
			t.Errorf("%s: got\n%s", c.what, got)
		}
	}
}

// TestWhatIsNotAsTodayIsTold: the text is read again, and compared with what
// runs.
func TestWhatIsNotAsTodayIsTold(t *testing.T) {
	const text = "name: p\nservices:\n  was_blue:\n    image: w\n    environment: {A: one, B: two}\n    ports: ['8080:80']\n" +
		"  was_green:\n    extends: was_blue\n    environment: {A: other}\n    ports: !override ['8081:80']\n"
	s := Site{Options: spec.Options{Dir: t.TempDir()}, Text: []byte(text), Running: []Container{container("p", "was_green", port(8081, 80))}}
	s.Options.Files = []string{filepath.Join(s.Options.Dir, "docker-compose.yml")}
	s.Options.Drafts = map[string][]byte{s.Options.Files[0]: s.Text}
	r, err := write(t, s, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Wrong.Error(); !strings.Contains(got, "services.was.environment.B: is not as it is today: removed (hidden); write it as it was") {
		t.Errorf("got %s\n%s", got, r.Text)
	}
}
