package rig_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
)

// trace is what a rig shows on the machine.
type trace struct{ Links, Processes, Rules, Groups int }

func traceOf(t *testing.T, name string, folder string, before []string) trace {
	t.Helper()
	var found trace
	old := map[string]bool{}
	for _, l := range before {
		old[l] = true
	}
	for _, l := range links(t) {
		if strings.HasPrefix(l, "tr") && !old[l] {
			found.Links++
		}
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lines {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(folder)) {
			found.Processes++
		}
	}
	rules, err := exec.Command("iptables", "-w", "10", "-S", "FORWARD").Output()
	if err != nil {
		t.Fatal(err)
	}
	found.Rules = strings.Count(string(rules), "teal-rig-"+name+" ")
	for _, pattern := range []string{"/sys/fs/cgroup/teal-rig-", "/sys/fs/cgroup/*/teal-rig-"} {
		groups, err := filepath.Glob(pattern + name)
		if err != nil {
			t.Fatal(err)
		}
		found.Groups += len(groups)
	}
	return found
}

func TestCloseLeavesNothing(t *testing.T) {
	before, name := links(t), "close-"+dockertest.Unique()
	r, err := rig.New(t.Context(), rig.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, r)
	h := host(t, r, "app-1", rig.HostOptions{Docker: true, SSH: true, Nginx: true, TLS: true})
	hello(t, h)
	answers(t, nil, h)
	if n := traceOf(t, name, r.Folder(), before); n.Links == 0 || n.Processes == 0 || n.Rules != 1 || n.Groups == 0 {
		t.Fatalf("a running rig shows %+v: this test looks in the wrong place", n)
	}
	if _, err := rig.New(t.Context(), rig.Options{Name: name}); err == nil {
		t.Error("a name in use was given twice")
	}
	closed(t, r)
	if n := traceOf(t, name, r.Folder(), before); n != (trace{}) {
		t.Errorf("left over: %+v", n)
	}
	if _, err := os.Stat(r.Folder()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := r.Host(t.Context(), "late", rig.HostOptions{}); err == nil {
		t.Error("a closed rig took a host")
	}
}

// killedRig, when set, makes this test program a victim: it makes a rig of that
// name with a container and waits to be killed.
const killedRig = "TEAL_TEST_KILLED_RIG"

func TestVictim(t *testing.T) {
	name := os.Getenv(killedRig)
	if name == "" {
		return // it is a part of TestKilledRigIsSwept, and nothing by itself
	}
	r, err := rig.New(t.Context(), rig.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	h := host(t, r, "app-1", rig.HostOptions{Docker: true, SSH: true})
	hello(t, h)
	answers(t, nil, h)
	fmt.Println("READY")
	select {}
}

func TestKilledRigIsSwept(t *testing.T) {
	before, name := links(t), "killed-"+dockertest.Unique()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	victim := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestVictim$", "-test.v")
	victim.Env = append(os.Environ(), killedRig+"="+name)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	ready := false
	for lines := bufio.NewScanner(out); !ready && lines.Scan(); {
		said = append(said, lines.Text())
		ready = lines.Text() == "READY"
	}
	if !ready {
		t.Fatalf("the victim ended: %s", strings.Join(said, "\n"))
	}
	folder := filepath.Join(os.TempDir(), "teal-rig-"+name)
	cancel()
	if err := victim.Wait(); err == nil {
		t.Fatal("the victim was not killed")
	}
	eventually(t, "its processes die with it", func() error {
		if n := traceOf(t, name, folder, before); n.Processes > 0 {
			return errors.New("processes are left")
		}
		return nil
	})
	r, err := rig.New(t.Context(), rig.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	host(t, r, "app-1", rig.HostOptions{Docker: true})
	closed(t, r)
	if n := traceOf(t, name, folder, before); n != (trace{}) {
		t.Errorf("left over: %+v", n)
	}
}
