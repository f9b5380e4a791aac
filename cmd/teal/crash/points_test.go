package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is the parsed, ordinary Go files of a folder, by file name.
type source map[string]*ast.File

func sourceOf(t testing.TB, dir string) source {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	out := source{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = f
	}
	return out
}

// functions calls see with every function of s.
func (s source) functions(see func(file string, f *ast.FuncDecl)) {
	for _, name := range sortedKeys(s) {
		for _, d := range s[name].Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				see(name, f)
			}
		}
	}
}

// calls calls see with every call in f: the words of what is called, as in
// "d.update", and its arguments.
func calls(f ast.Node, see func(called string, args []ast.Expr)) {
	ast.Inspect(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			see(words(c.Fun), c.Args)
		}
		return true
	})
}

func words(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return words(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + words(e.X)
	}
	return "?"
}

// text is the value of a string literal; empty for everything else.
func text(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(l.Value) // the parser took it
	return s
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	return words(f.Recv.List[0].Type)
}

// interfaceOf lists the methods of an interface of s.
func (s source) interfaceOf(t testing.TB, name string) []string {
	t.Helper()
	var out []string
	for _, f := range s {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != name {
				return true
			}
			for _, m := range spec.Type.(*ast.InterfaceType).Methods.List {
				out = append(out, m.Names[0].Name)
			}
			return false
		})
	}
	if len(out) == 0 {
		t.Fatalf("there is no interface %s", name)
	}
	return out
}

// set is names and where they come from.
type set map[string]string

func (s set) add(from, name string, moments ...string) {
	for _, m := range moments {
		s[name+"/"+m] = from
	}
}

// allPoints lists every point that the sources have.
func allPoints(t testing.TB) set {
	t.Helper()
	out := set{}
	sourceOf(t, "deploy/docker").functions(func(_ string, f *ast.FuncDecl) {
		if receiver(f) != "*pointed" {
			return
		}
		calls(f, func(called string, args []ast.Expr) {
			switch {
			case called == "p.effect" && text(args[0]) != "":
				out.add("deploy/docker", "docker."+text(args[0]), "before", "after")
			case called == "p.stream":
				out.add("deploy/docker", "docker."+text(args[0]), "during")
			}
		})
	})
	sourceOf(t, "store").functions(func(_ string, f *ast.FuncDecl) {
		calls(f, func(called string, _ []ast.Expr) {
			if called == "d.update" {
				out.add("store", "store."+f.Name.Name, "before", "commit", "after")
			}
			if name, ok := strings.CutSuffix(called, "File"); ok && (name == "create" || name == "compact") {
				out.add("store", "store."+name, "before", "commit", "after")
			}
		})
	})
	sourceOf(t, "deploy/proxy/nginx").functions(func(_ string, f *ast.FuncDecl) {
		calls(f, func(called string, args []ast.Expr) {
			switch {
			case strings.HasSuffix(called, ".effect") && text(args[0]) != "":
				out.add("deploy/proxy/nginx", "nginx."+text(args[0]), "before", "after")
			case strings.HasSuffix(called, "Point.reach") && text(args[0]) != "":
				out["nginx."+text(args[0])] = "deploy/proxy/nginx"
			}
		})
	})
	sourceOf(t, "deploy/proxy/embedded").functions(func(_ string, f *ast.FuncDecl) {
		calls(f, func(called string, args []ast.Expr) {
			if called == "c.call" && receiver(f) == "*Client" && words(args[1]) != "http.MethodGet" {
				method := strings.ToUpper(strings.TrimPrefix(words(args[1]), "http.Method"))
				out.add("deploy/proxy/embedded", "proxy."+method+proxyPath(t, words(args[2])), "before", "after")
			}
		})
	})
	sourceOf(t, "cmd/teal").functions(func(_ string, f *ast.FuncDecl) {
		calls(f, func(called string, args []ast.Expr) {
			if called == "reach" && text(args[0]) != "" {
				out[text(args[0])] = "cmd/teal"
			}
		})
	})
	return out
}

// proxyPath is the value of a constant of the embedded proxy.
func proxyPath(t testing.TB, name string) string {
	t.Helper()
	for _, f := range sourceOf(t, "deploy/proxy/embedded") {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				if v := s.(*ast.ValueSpec); v.Names[0].Name == name && len(v.Values) == 1 {
					return text(v.Values[0])
				}
			}
		}
	}
	t.Fatalf("no constant %s", name)
	return ""
}

// reads are the methods of the engine's client that change nothing there.
var reads = []string{
	"Close", "NegotiateAPIVersionPing", "Ping", "ServerVersion", "Info", "DiskUsage", "ClientVersion", "DaemonHost", "Events",
	"ContainerList", "ContainerInspect", "ContainerLogs", "ContainerExecInspect", "CopyFromContainer",
	"ImageInspect", "ImageList", "DistributionInspect", "NetworkList", "NetworkInspect", "VolumeInspect", "VolumeList",
}

func TestEveryEffectOnTheEngineHasAPoint(t *testing.T) {
	s := sourceOf(t, "deploy/docker")
	var changes []string
	s.functions(func(_ string, f *ast.FuncDecl) {
		if receiver(f) == "*pointed" && ast.IsExported(f.Name.Name) {
			changes = append(changes, f.Name.Name)
			told := ""
			calls(f, func(called string, args []ast.Expr) {
				if called == "p.effect" {
					told = text(args[0])
				}
			})
			if told != f.Name.Name {
				t.Errorf("%s tells of the effect %q", f.Name.Name, told)
			}
		}
	})
	for _, name := range s.interfaceOf(t, "dockerAPI") {
		if slices.Contains(reads, name) == slices.Contains(changes, name) {
			t.Errorf("dockerAPI.%s must either change something and be a method of pointed (deploy/docker/points.go), or change nothing and be in the list reads here", name)
		}
	}
}

// TestNothingGoesPastTheClient: connections to an engine are opened in two
// places, whose clients connection.get gives points.
func TestNothingGoesPastTheClient(t *testing.T) {
	sourceOf(t, "deploy/docker").functions(func(file string, f *ast.FuncDecl) {
		calls(f, func(called string, _ []ast.Expr) {
			opens := strings.HasPrefix(called, "client.New") || strings.HasPrefix(called, "http.New") || strings.HasPrefix(called, "net.Dial")
			if opens && f.Name.Name != "openClient" && f.Name.Name != "openDialled" {
				t.Errorf("%s: %s calls %s, past the client that has failpoints", file, f.Name.Name, called)
			}
			if called == "c.open" && (receiver(f) != "*connection" || f.Name.Name != "get") {
				t.Errorf("%s: %s opens a client without failpoints", file, f.Name.Name)
			}
		})
	})
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return cmpOr(err, fs.SkipDir)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			if text(i.Path) == "github.com/docker/docker/client" && !slices.Contains(clients, filepath.Dir(rel)) {
				t.Errorf("%s imports the engine's client past deploy/docker", rel)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func cmpOr(err, or error) error {
	if err != nil {
		return err
	}
	return or
}

// clients are the packages that import the engine's client: deploy/docker, and
// what tests and benchmarks use.
var clients = []string{"deploy/docker", "deploy/docker/dockertest", "deploy/docker/contract", "deploy/workbench", "deploy/rig"}

// TestEveryWriteOfTheStoreHasAPoint: write transactions begin in update, but for
// the store that is just made.
func TestEveryWriteOfTheStoreHasAPoint(t *testing.T) {
	sourceOf(t, "store").functions(func(file string, f *ast.FuncDecl) {
		calls(f, func(called string, args []ast.Expr) {
			past := strings.HasSuffix(called, ".Update") || strings.HasSuffix(called, ".Batch") ||
				strings.HasSuffix(called, ".Begin") && f.Name.Name != "beginTx" ||
				called == "d.transact" && f.Name.Name != "update" && words(args[1]) != "false"
			if past && f.Name.Name != "createFile" && called != "crc32.Update" {
				t.Errorf("%s: %s calls %s, past update, which has failpoints", file, f.Name.Name, called)
			}
		})
	})
}

// TestEveryChangeOfAPlaceHasAPoint: an nginx of this host and one behind ssh are
// changed by these methods. Containers are changed through the engine.
func TestEveryChangeOfAPlaceHasAPoint(t *testing.T) {
	s := sourceOf(t, "deploy/proxy/nginx")
	looks := []string{"Folder", "Read", "Dial", "Ensure", "String"}
	pointed := map[string]bool{}
	s.functions(func(_ string, f *ast.FuncDecl) {
		calls(f, func(called string, _ []ast.Expr) {
			if strings.HasSuffix(called, "Point.effect") || strings.HasSuffix(called, "Point.signal") || called == "l.write" || called == "s.shell" {
				pointed[receiver(f)+"."+f.Name.Name] = true
			}
		})
	})
	for _, name := range s.interfaceOf(t, "Place") {
		for _, place := range []string{"*local", "*overSSH"} {
			if !slices.Contains(looks, name) && !pointed[place+"."+name] {
				t.Errorf("(%s).%s changes something and has no failpoint", place, name)
			}
		}
	}
	if !pointed["*overSSH.shell"] || !pointed["*local.write"] {
		t.Error("what others rely on has no failpoint itself")
	}
}

// TestThePointsAreThere keeps the readers of sources from reading nothing.
func TestThePointsAreThere(t *testing.T) {
	all := allPoints(t)
	for _, name := range []string{
		"docker.ContainerCreate/before", "docker.ImagePull/during", "store.Save/commit", "store.create/commit", "proxy.PUT/v1/table/after",
		"nginx.Write/commit", "nginx.Signal/before", "certificate.copy/commit",
	} {
		if all[name] == "" {
			t.Errorf("no point %s in %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
	}
}
