package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/spec"
)

// writeAndKill runs a process that writes to the store at path, kills it after
// it has said n lines, and returns the last number that it said was saved.
func writeAndKill(t *testing.T, path string, n int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writeEnv+"="+path)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	lines := bufio.NewScanner(stdout)
	for i := 0; lines.Scan(); i++ {
		last = lines.Text()
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself, after %q: %v", last, err)
	}
	saved, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// What was reported as saved survives a kill in the middle of the next write;
// record, event and history are of the same write.
func TestAKilledWriterLosesNothingThatItSaved(t *testing.T) {
	path := storePath(t)
	for round := range 10 {
		saved := writeAndKill(t, path, round*7)
		db, err := Open(path, Options{LockTimeout: 10 * time.Second})
		if err != nil {
			t.Fatalf("after kill %d: %v", round, err)
		}
		state, _ := load(t, db, was)
		events, number, err := db.Events(spec.Name{}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		history, err := db.History(was, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		got := state.Record.Rollouts
		if got < saved || got > saved+1 {
			t.Errorf("%d was saved, the record says %d", saved, got)
		}
		if want := fmt.Sprint(got); events[len(events)-1].Message != want || history[0].ID != want || number != uint64(got) {
			t.Errorf("the record says %s, the event %s (number %d), history %s", want, events[len(events)-1].Message, number, history[0].ID)
		}
	}
}
