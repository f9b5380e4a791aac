package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/spec"
	"teal/store"
)

func serve(t *testing.T, c api.Controller) string {
	t.Helper()
	return apitest.Serve(t, c).Socket
}

// dropping is a controller that is quick to remove.
type dropping struct{ *apitest.Fake }

func (d dropping) Remove(ctx context.Context, req api.RemoveRequest) (api.ApplyResult, error) {
	out, err := d.Fake.Remove(ctx, req)
	for _, a := range out.Apps {
		d.Drop(a.App)
	}
	return out, err
}

// tealWith answers a question.
func tealWith(t *testing.T, input, socket string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	m := Main{Stdin: strings.NewReader(input), Stdout: &out, Stderr: &err, Env: []string{"HOME=/nowhere", "TEAL_SOCKET=" + socket}}
	code := m.Run(ctx, args)
	return result{code, out.String(), err.String()}
}

func TestDownAsksAndWaits(t *testing.T) {
	f := fake()
	other := settled()
	other.App = spec.Name{Project: "second", Service: "web"}
	f.Set(other)
	socket := serve(t, dropping{f})
	tealWith(t, "n\n", socket, "down").expect(t, exitFailed, "remove all containers of pennyway, second? [y/N]", "nothing was removed")
	tealWith(t, "", socket, "down").expect(t, exitBadInput, "teal down --yes")
	tealWith(t, "y\n", socket, "down", "pennyway").expect(t, exitDone, "removed pennyway")
	list, err := f.Status(t.Context(), spec.Name{})
	if err != nil || len(list.Apps) != 1 {
		t.Errorf("left: %+v, %v", list.Apps, err)
	}
	tealWith(t, "", socket, "down", "--yes").expect(t, exitDone, "removed second")
	tealWith(t, "", socket, "down", "--yes").expect(t, exitDone, "nothing to remove")
}

func TestDownMistakes(t *testing.T) {
	socket := serve(t, fake())
	teal(t, socket, "down", "penyway").expect(t, exitBadInput, `no project is called "penyway"`, "teal down pennyway")
	teal(t, socket, "down", "--volumes").expect(t, exitBadInput, "while the controller does not run")
	teal(t, filepath.Join(t.TempDir(), "none.sock"), "down", "pennyway").expect(t, exitUnreachable, "teal down")
}

func TestDownNamesNoProcessThatItDoesNotKnow(t *testing.T) {
	if hint := stopHolder(&store.LockedError{PID: 4711, Path: "/s/teal.db"}); !strings.HasSuffix(hint, "kill 4711") {
		t.Errorf("of a known one: %s", hint)
	}
	hint := stopHolder(&store.LockedError{Path: "/s/teal.db"})
	if strings.Contains(hint, "kill") || !strings.HasSuffix(hint, "sudo fuser -v /s/teal.db") {
		t.Errorf("of an unknown one: %s", hint)
	}
}
