package store

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// holder starts another process that has the store at path open.
func startHolder(t *testing.T, path string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()         // it may have ended
		_ = cmd.Process.Kill()    // it may have ended
		_, _ = cmd.Process.Wait() // it may have been waited for
	})
	if said, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || said != "held\n" {
		t.Fatalf("the other process said %q: %v", said, err)
	}
	return cmd, stdin
}

func TestOpenNamesTheProcessThatHoldsTheLock(t *testing.T) {
	path := storePath(t)
	other, _ := startHolder(t, path)
	begun := time.Now()
	_, err := Open(path, Options{LockTimeout: 100 * time.Millisecond})
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got %v", err)
	}
	if locked.PID != other.Process.Pid || locked.Path != path {
		t.Errorf("named pid %d of %s, want %d of %s", locked.PID, locked.Path, other.Process.Pid, path)
	}
	if !strings.Contains(err.Error(), "held by pid "+strconv.Itoa(other.Process.Pid)) {
		t.Errorf("words: %v", err)
	}
	if waited := time.Since(begun); waited < 100*time.Millisecond || waited > 5*time.Second {
		t.Errorf("waited %v", waited)
	}
	if _, err := MoveAside(path); !errors.As(err, &locked) {
		t.Errorf("moved aside under another process: %v", err)
	}
}

func TestOpenNamesTheHolderWithoutTheKernelsList(t *testing.T) {
	path := storePath(t)
	other, _ := startHolder(t, path)
	copied := path + ".lock.copy" // not locked itself: /proc/locks does not list it
	raw, err := os.ReadFile(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if pid := holder(copied); pid != other.Process.Pid {
		t.Errorf("pid %d, want %d", pid, other.Process.Pid)
	}
	for _, words := range []string{
		"not a pid", "not " + pidNamespace(), "0 " + pidNamespace(),
		strconv.Itoa(other.Process.Pid) + " pid:[1]", // it is another's id here
		strconv.Itoa(other.Process.Pid),
	} {
		if err := os.WriteFile(copied, []byte(words), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid := holder(copied); pid != 0 {
			t.Errorf("pid %d out of %q", pid, words)
		}
	}
}

func TestAKilledHolderLetsGo(t *testing.T) {
	path := storePath(t)
	other, _ := startHolder(t, path)
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{LockTimeout: 10 * time.Second})
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenWaitsForAHolderThatEndsInTime(t *testing.T) {
	path := storePath(t)
	_, stdin := startHolder(t, path)
	opened := make(chan error, 1)
	go func() {
		db, err := Open(path, Options{LockTimeout: 10 * time.Second})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestTheSameProcessDoesNotOpenItTwice(t *testing.T) {
	path := storePath(t)
	open(t, path)
	_, err := Open(path, Options{LockTimeout: 50 * time.Millisecond})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v", err)
	}
}

func TestFindFlock(t *testing.T) {
	const list = `1: POSIX  ADVISORY  WRITE 11 fe:01:77 0 EOF
2: FLOCK  ADVISORY  WRITE 12 fe:02:77 0 EOF
3: FLOCK  ADVISORY  WRITE 13 fe:01:77 0 EOF
3: -> FLOCK  ADVISORY  WRITE 14 fe:01:78 0 EOF
short
`
	for id, want := range map[string]int{"fe:01:77": 13, "fe:01:78": 0, "fe:02:77": 12, "fe:09:1": 0} {
		if got := findFlock(strings.NewReader(list), id); got != want {
			t.Errorf("%s: pid %d, want %d", id, got, want)
		}
	}
}
