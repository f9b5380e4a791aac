package nginx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
	"teal/spec"
)

// nowhere is a place that only has a name.
type nowhere struct{ Place }

func (nowhere) Folder() string { return "/etc/nginx/teal" }

// FuzzRender: whatever a table says that is accepted, the configuration has the
// shape that harmless words give it: no input begins or ends a directive, opens
// or closes a block, or brings a variable.
func FuzzRender(f *testing.F) {
	f.Add("shop", "web", "shop.example.com", "/", "preview.example.com", "token", "127.0.0.1:80")
	f.Add("shop", "web", "*", "/a b", "", "", "[::1]:80")
	for _, evil := range []string{
		";", "{", "}", "\n", "\r", "\"", "'", "\\", "$host", "${host}", "#", "a; return 200", "~^.*$", "*.example.com", ".example.com", "_", "default",
		"/x(/|$)\" { return 200; } location ~ \"", "a\x00b", "../../etc", "unix:/run/docker.sock", "a;proxy_pass http://b", "@configuration@", "é", "\xff", "127.0.0.1:1;",
	} {
		f.Add("p"+evil, "s", "h", "/", "", "", "127.0.0.1:80")
		f.Add("p", evil, "h", "/", "", "", "127.0.0.1:80")
		f.Add("p", "s", evil, "/", "", "", "127.0.0.1:80")
		f.Add("p", "s", "h"+evil, "/", "", "", "127.0.0.1:80")
		f.Add("p", "s", "h", "/"+evil, "", "", "127.0.0.1:80")
		f.Add("p", "s", "h", "/", evil, evil, "127.0.0.1:80")
		f.Add("p", "s", "h", "/", "", evil, "127.0.0.1:80")
		f.Add("p", "s", "h", "/", "", "", evil+":80")
		f.Add("p", "s", "h", "/", "", "", "127.0.0.1:80"+evil)
	}
	f.Fuzz(func(t *testing.T, project, service, host, path, preview, token, target string) {
		given := routeWords(project, service, host, path, preview, token, target)
		if table.Check(given) != nil || checkNames(given) != nil {
			return
		}
		plain := func(s, usual string, same ...string) string {
			if slices.Contains(same, s) {
				return s
			}
			return usual
		}
		harmless := routeWords("p", "s", plain(host, "h", table.AnyHost), plain(table.CleanPath(path), "/x", "/"),
			plain(preview, "v", ""), plain(token, "t", ""), "10.0.0.1:80")
		if preview != "" && preview == host {
			return // refused, or one name
		}
		got, want := shapes(given), shapes(harmless)
		if !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%q became %q", want[i], got[i])
				}
			}
			t.Fatalf("%d directives instead of %d", len(got), len(want))
		}
	})
}

func routeWords(project, service, host, path, preview, token, target string) reconcile.Table {
	r := reconcile.Route{
		App: spec.Name{Project: project, Service: service}, Host: host, Path: path,
		Backends: []reconcile.Backend{{Colour: spec.Blue, Revision: "r", Weight: 100, Targets: []string{target}}},
		Preview:  reconcile.Preview{Colour: spec.Blue, Host: preview, Token: token},
	}
	return reconcile.Table{Seq: 1, Routes: []reconcile.Route{r}}
}

// shapes are the directives of a configuration, file by file, each with its
// depth, its name, how many words follow, and how many variables are in them.
func shapes(t reconcile.Table) []string {
	c := render(input{
		options: Options{Place: nowhere{}, Servers: &Servers{Listen: []string{":80"}}}.withDefaults(),
		version: version{number: [3]int{1, 27, 4}, http2: true}, state: (*state)(nil).after(t),
	})
	files := make([]string, 0, len(c.files))
	for _, file := range c.files {
		files = append(files, strings.Join(shape(string(file.Content)), "\n"))
	}
	slices.Sort(files) // their names differ
	return strings.Split(strings.Join(files, "\n"), "\n")
}

// shape reads a configuration as nginx does (ngx_conf_read_token).
func shape(text string) []string {
	var out, words []string
	depth, word, inWord, quote := 0, "", false, byte(0)
	end := func() {
		if inWord {
			words = append(words, word)
		}
		word, inWord = "", false
	}
	directive := func(with string) {
		end()
		if len(words) > 0 {
			name := words[0]
			if strings.HasPrefix(name, "~^") { // what is looked for in a map
				name = "~^"
			}
			out = append(out, fmt.Sprintf("%d %s %d %d %s", depth, name, len(words), strings.Count(strings.Join(words, ""), "$"), with))
		}
		words = nil
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			word, inWord = word+string(c)+string(text[i+1]), true
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case !inWord && (c == '"' || c == '\''):
			quote, inWord = c, true
		case !inWord && c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case strings.ContainsRune(" \t\r\n", rune(c)):
			end()
		case c == ';':
			directive(";")
		case c == '{':
			if inWord && strings.HasSuffix(word, "$") { // ${name}
				word += "{"
				continue
			}
			directive("{")
			depth++
		case c == '}' && !inWord:
			directive("}")
			depth--
		default:
			word, inWord = word+string(c), true
		}
	}
	return append(out, fmt.Sprint(depth, quote))
}
