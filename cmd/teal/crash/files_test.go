package crash

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// changing are the functions of package os, and the programs, that change
// something outside the process.
var changing = []string{
	"os.WriteFile", "os.Create", "os.CreateTemp", "os.OpenFile", "os.Rename", "os.Remove", "os.RemoveAll", "os.Mkdir", "os.MkdirAll",
	"os.MkdirTemp", "os.Symlink", "os.Link", "os.Chmod", "os.Chown", "os.Truncate", "exec.Command", "exec.CommandContext",
}

// controllers are the folders whose code `teal run` uses to change something.
var controllers = []string{
	"cmd/teal", "controller", "controller/api", "controller/source", "controller/secret", "store", "health", "spec",
	"deploy/docker", "deploy/fleet", "deploy/fleet/ssh", "deploy/proxy/nginx",
}

// known says of every function there that changes files or runs programs why
// a kill in it is covered.
var known = map[string]string{
	"store/file.go createFile":                  "store.create",
	"store/compact.go compactFile":              "store.compact",
	"store/compact.go removeIfThere":            "store.compact",
	"store/file.go openBolt":                    "opens what is there",
	"store/hostkey.go readKey":                  "opens what is there",
	"store/hostkey.go makeKey":                  "whole or not at all, and again at the next start: before the first store there is nothing to lose",
	"controller/secret/sops.go run":             "decrypts, and changes nothing",
	"controller/secret/identity.go readPrivate": "opens what is there",
	"store/file.go ensureFile":                  "sets a mode, again at every start",
	"store/aside.go MoveDamagedAside":           "store.MoveDamagedAside",
	"store/aside.go renameAside":                "store.MoveAside, store.MoveDamagedAside",
	"store/check.go putBack":                    "the file was taken away, and what is left of it is told at the next start",
	"store/check.go writeCopy":                  "a copy beside the store, renamed by putBack",
	"store/restore.go Restore":                  "teal restore, not the controller",
	"store/restore.go keepBefore":               "teal restore, not the controller",
	"store/restore.go receive":                  "teal restore, not the controller",
	"store/restore.go removeLeft":               "teal restore, not the controller",
	"cmd/teal/backup.go backupTo":               "teal backup, not the controller",
	"store/store.go prepareFolder":              "makes a folder, again at every start",
	"store/lock.go acquire":                     "makes the lock's file, which stays",
	"store/backup.go Backup":                    "a copy beside the store, asked for by a person",
	"cmd/teal/keeper.go copyChanged":            "certificate.copy",
	"cmd/teal/wiring.go newKeeper":              "makes a folder, again at every start",
	"cmd/teal/adopt.go written":                 "teal adopt, not the controller",
	"cmd/teal/adoptsite.go runNginx":            "teal adopt, not the controller",
	"cmd/teal/down.go removeParts":              "teal down, not the controller",
	"cmd/teal/failpoints.go hit":                "is not in a release",
	"cmd/teal/failpoints.go count":              "is not in a release",
	"controller/api/server.go Listen":           "the socket is made anew at every start",
	"controller/api/server.go bind":             "the socket is made anew at every start",
	"controller/api/server.go Close":            "the socket is made anew at every start",
	"deploy/docker/login.go password":           "a file is read",
	"deploy/proxy/nginx/local.go write":         "nginx.Write",
	"deploy/proxy/nginx/local.go anew":          "nginx.Write",
	"deploy/proxy/nginx/local.go touch":         "nginx.Write",
	"deploy/proxy/nginx/local.go Rename":        "nginx.Rename",
	"deploy/proxy/nginx/local.go Link":          "nginx.Link",
	"deploy/proxy/nginx/local.go Remove":        "nginx.Remove",
	"deploy/proxy/nginx/local.go Nginx":         "nginx.Signal",
}

func TestEveryChangeOfFilesIsKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, dir := range controllers {
		sourceOf(t, dir).functions(func(file string, f *ast.FuncDecl) {
			calls(f, func(called string, _ []ast.Expr) {
				if slices.Contains(changing, called) {
					seen[path.Join(dir, file)+" "+f.Name.Name] = true
				}
			})
		})
	}
	for _, name := range sortedKeys(seen) {
		if known[name] == "" {
			t.Errorf("%s changes files or runs a program: give it failpoints, or say in the list known why it needs none", name)
		}
	}
	points := allPoints(t)
	for _, name := range sortedKeys(known) {
		why := known[name]
		if !seen[name] {
			t.Errorf("%s is in the list known and changes nothing", name)
		}
		if strings.Contains(why, ".") && !strings.Contains(why, " ") && points[why+"/before"] == "" {
			t.Errorf("%s: there is no point %s/before", name, why)
		}
	}
}
