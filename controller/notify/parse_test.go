package notify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// private is a file that only its owner reads.
func private(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func parsed(t *testing.T, text string) Target {
	t.Helper()
	target, err := Parse("ops", text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestWhatIsToldToWhom(t *testing.T) {
	app := spec.Name{Project: "shop", Service: "web"}
	promoted := reconcile.Event{App: app, Reason: reconcile.ReasonPromoted}
	verified := reconcile.Event{App: app, Reason: reconcile.ReasonVerified}
	away := reconcile.Event{App: app, Reason: reconcile.ReasonHostAway, Warning: true}
	invalid := reconcile.Event{Reason: "SpecInvalid", Warning: true}
	for _, c := range []struct {
		name, query string
		want        []reconcile.Event
	}{
		{"by default warnings and how rollouts end", "", []reconcile.Event{promoted, away, invalid}},
		{"everything", "events=all", []reconcile.Event{promoted, verified, away, invalid}},
		{"results alone", "events=results", []reconcile.Event{promoted}},
		{"named ones", "events=Verified,SpecInvalid", []reconcile.Event{verified, invalid}},
		{"a space for a comma, as variables need it", "events=Verified+SpecInvalid", []reconcile.Event{verified, invalid}},
		{"a pattern", "events=Host*", []reconcile.Event{away}},
		{"all but some", "events=all,!HostAway,!Verified", []reconcile.Event{promoted, invalid}},
		{"of some apps", "events=all&apps=shop/*", []reconcile.Event{promoted, verified, away}},
		{"of others", "events=all&apps=blog/*,*/api", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := parsed(t, "https://example.com/hook?"+c.query)
			var got []reconcile.Event
			for _, e := range []reconcile.Event{promoted, verified, away, invalid} {
				if target.wants.has(e) {
					got = append(got, e)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestMistakesInTargets(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("https://example.com/HUSHHUSH"), 0o644); err != nil {
		t.Fatal(err)
	}
	long := private(t, strings.Repeat("x", maxTemplate+1))
	for _, c := range []struct{ name, text, want string }{
		{"no URL", "", "the URL cannot be read"},
		{"no scheme", "example.com/HUSHHUSH", "the URL cannot be read"},
		{"bad URL", "https://ops:HUSHHUSH@exa mple/", "the URL cannot be read"},
		{"unknown service", "slck://HUSHHUSH", "there is no service slck"},
		{"library's own webhook", "generic://HUSHHUSH", "use https://"},
		{"bad URL of a service", "telegram://HUSHHUSH@telegram", "the URL of telegram cannot be used"},
		{"unknown event", "https://h/?events=RoledBack", "did you mean RolledBack?"},
		{"unknown group", "https://h/?events=warning", "there is no event warning"},
		{"nothing wanted", "https://h/?events=!HostAway", "nothing is left"},
		{"app without a slash", "https://h/?apps=web", `"web" is no pattern of project/service`},
		{"bad pattern", "https://h/?apps=[/a", "is no pattern"},
		{"limit", "https://h/?limit=20", "write messages/time"},
		{"no messages", "https://h/?limit=0/1m", "write messages/time"},
		{"timeout", "https://h/?timeout=1h", "at most 5m"},
		{"template", "https://h/?template={{.Mesage}}", "can't evaluate field Mesage"},
		{"template's form", "https://h/?template={{", "unclosed action"},
		{"long template", "https://h/?template_file=" + long, "is not a file of at most"},
		{"two templates", "https://h/?template=a&template_file=b", "both given"},
		{"subject", "https://h/?subject={{nothing}}", `function "nothing" not defined`},
		{"field twice", "https://h/?events=all&events=all", "given twice"},
		{"field of another kind", "https://h/?to=a@b.c", "to means nothing for webhook"},
		{"two URLs", "https://h/?url_file=" + open, "both given"},
		{"open secret", "?url_file=" + open, "can be read by others: chmod 600"},
		{"missing secret", "?url_file=/nowhere", "no such file"},
		{"missing key", "https://h/?secret_file=/nowhere", "secret_file"},
		{"empty key", "https://h/?secret_file=" + private(t, "\n"), "is empty"},
		{"no certificate", "https://h/?ca=" + open, "holds no certificate"},
		{"mail without a sender", "smtp://h?to=a@b.c", "from: an address"},
		{"mail to nobody", "smtp://h?from=a@b.c", "to: an address"},
		{"mail's password in clear", "smtp://u:HUSHHUSH@h?from=a@b.c&to=a@b.c&tls=none", "in clear text"},
		{"mail's user without a password", "smtp://u@h?from=a@b.c&to=a@b.c", "password_file is needed"},
		{"mail's encryption", "smtp://h?from=a@b.c&to=a@b.c&tls=maybe", "neither required nor none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("ops", c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "HUSHHUSH") {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}

func TestParametersOfTheURLStay(t *testing.T) {
	target := parsed(t, "https://example.com/hook?channel=ops&events=all&thread=1")
	if got := target.sender.(webhook).url; got != "https://example.com/hook?channel=ops&thread=1" {
		t.Errorf("the URL is %s", got)
	}
}

func TestURLOfAFile(t *testing.T) {
	target := parsed(t, "?events=all&url_file="+private(t, "slack+https://hooks.example.com/services/T/B/X\n"))
	if got := target.sender.(slack).url; got != "https://hooks.example.com/services/T/B/X" || target.Place != "slack at hooks.example.com" {
		t.Errorf("the URL is %s, the place %s", got, target.Place)
	}
}

// TestReasonsAreWhole compares the list that slips of the pen are told from with
// the constants of the code.
func TestReasonsAreWhole(t *testing.T) {
	var files []string
	for _, glob := range []string{"../../reconcile/*.go", "../*.go", "../*/*.go", "../*/*/*.go", "../../cmd/teal/*.go"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, "Reason") || v.Type == nil || !isReason(v.Type, file) {
				return true
			}
			if value, ok := v.Values[0].(*ast.BasicLit); ok {
				found++
				if text, err := strconv.Unquote(value.Value); err != nil || !slices.Contains(reasons, reconcile.Reason(text)) {
					t.Errorf("the reason %s of %s is not in reasons.go: nobody can ask to be told of it", value.Value, file)
				}
			}
			return true
		})
	}
	if found < 50 {
		t.Errorf("found %d reasons", found)
	}
}

// isReason reports whether a type is reconcile.Reason.
func isReason(x ast.Expr, file string) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "Reason" && strings.Contains(file, "/reconcile/")
	case *ast.SelectorExpr:
		of, ok := x.X.(*ast.Ident)
		return ok && of.Name == "reconcile" && x.Sel.Name == "Reason"
	}
	return false
}

func TestATemplateThatTakesTooLong(t *testing.T) {
	w := parsed(t, "https://h/").words
	slow, err := parseTemplate("template", "{{range 2000000}}{{end}}", "")
	if err != nil {
		t.Fatal(err)
	}
	w.text = slow
	if err := w.try(time.Millisecond); err == nil || !strings.Contains(err.Error(), "does not end within 1ms") {
		t.Errorf("got %v", err)
	}
}

func TestALongTextIsCut(t *testing.T) {
	w := parsed(t, "https://h/?template={{range+100000}}é{{end}}").words
	m, err := w.message("test", sample, spec.Origin{})
	if err != nil || len(m.Text) > maxText+len("…") || !strings.HasSuffix(m.Text, "é…") {
		t.Errorf("%v, %d bytes", err, len(m.Text))
	}
}
