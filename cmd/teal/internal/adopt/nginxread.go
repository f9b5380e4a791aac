package adopt

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tufanbarisyildirim/gonginx/config"
	"github.com/tufanbarisyildirim/gonginx/parser"
)

// marker begins each file in what nginx -T prints.
var marker = regexp.MustCompile(`(?m)^# configuration file (.+):$`)

// ParseNginx reads a configuration: the output of nginx -T, or a main file called
// name whose includes open finds: it returns the files that a pattern stands
// for, with their contents, in nginx's order.
func ParseNginx(name, text string, open func(pattern string) ([]File, error)) (*Nginx, error) {
	r := &nginxReader{open: open, main: name}
	out := &Nginx{}
	if dump := split(text); len(dump) > 0 {
		r.main, text, out.Copied = dump[0].Name, dump[0].Text, true
		r.open = func(pattern string) ([]File, error) { return match(dump, pattern), nil }
	}
	all, err := r.parse(File{r.main, text}, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.main, err)
	}
	w := &walk{upstreams: map[string][]Target{}}
	w.collect(all)
	w.servers(all)
	for _, d := range all {
		if d.name == "http" {
			out.HTTPFile = d.file
		}
	}
	out.Proxied, out.Unread, out.Includes = w.out, append(r.unread, w.unread...), r.includes
	return out, nil
}

// File is one of a configuration.
type File struct{ Name, Text string }

// split takes what nginx -T prints apart; nil if text is something else.
func split(text string) []File {
	at := marker.FindAllStringSubmatchIndex(text, -1)
	var out []File
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		out = append(out, File{text[m[2]:m[3]], strings.TrimPrefix(text[m[1]:end], "\n")})
	}
	return out
}

// match returns the files of a dump that an include stands for.
func match(dump []File, pattern string) []File {
	var out []File
	for _, f := range dump[1:] {
		if ok, err := path.Match(pattern, f.Name); err == nil && ok {
			out = append(out, f)
		}
	}
	return out
}

// nginxReader turns files into directives, includes filled in.
type nginxReader struct {
	main   string
	open   func(pattern string) ([]File, error)
	unread []string

	includes []string
}

func (r *nginxReader) parse(f File, above []string) ([]directive, error) {
	c, err := parser.NewStringParser(f.Text, parser.WithSkipValidDirectivesErr(), parser.WithSkipComments()).Parse()
	if err != nil {
		return nil, err
	}
	return r.directives(f, c.GetDirectives(), append(slices.Clone(above), f.Name)), nil
}

func (r *nginxReader) directives(f File, list []config.IDirective, above []string) []directive {
	var out []directive
	for _, d := range list {
		one := directive{name: d.GetName(), file: f.Name, line: d.GetLine()}
		for _, p := range d.GetParameters() {
			one.args = append(one.args, unquote(p.Value))
		}
		if one.name == "include" && len(one.args) == 1 {
			out = append(out, r.include(one, above)...)
			continue
		}
		if b := d.GetBlock(); b != nil {
			one.body = r.directives(f, b.GetDirectives(), above)
		}
		out = append(out, one)
	}
	return out
}

// include returns what stands in the files that d includes.
func (r *nginxReader) include(d directive, above []string) []directive {
	pattern := d.args[0]
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(r.main), pattern)
	}
	r.includes = append(r.includes, pattern)
	files, err := r.open(pattern)
	if err != nil {
		r.unread = append(r.unread, fmt.Sprintf("%s:%d: include %s: %v", d.file, d.line, d.args[0], err))
	}
	var out []directive
	for _, f := range files {
		if slices.Contains(above, f.Name) {
			continue
		}
		inner, err := r.parse(f, above)
		if err != nil {
			r.unread = append(r.unread, fmt.Sprintf("%s: %v", f.Name, err))
		}
		out = append(out, inner...)
	}
	return out
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
