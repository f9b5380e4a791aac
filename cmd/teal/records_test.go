package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"teal/controller/api"
	"teal/controller/api/apitest"
	"teal/reconcile"
)

func TestStatus(t *testing.T) {
	s := apitest.Serve(t, fake())
	teal(t, s.Socket, "status").expect(t, exitDone, "pennyway/was  gen 14  Serving ✔ 1.4.1", "└─ green  rev 3f2a91cc  1.4.1  stable  100 %  2/2 ready", "pennyway/rdb")
	teal(t, s.Socket, "status", "was").expect(t, exitDone, "pennyway/was")
	r := teal(t, s.Socket, "status", "-o", "json")
	var out api.StatusList
	if err := json.Unmarshal([]byte(r.out), &out); err != nil || len(out.Apps) != 2 {
		t.Errorf("%v: %s", err, r.out)
	}
}

func TestWatchedStatusPrintsChangesUntilInterrupted(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	seen := &tap{words: "1.4.2 (blue", seen: make(chan struct{})}
	done := make(chan int, 1)
	go func() {
		done <- Main{Stdout: seen, Stderr: seen, Env: []string{"TEAL_SOCKET=" + s.Socket}}.Run(ctx, []string{"status", "--watch"})
	}()
	f.Set(reached())
	<-seen.seen
	stop()
	if code := <-done; code != exitDone {
		t.Errorf("exit code %d: %s", code, seen.text)
	}
}

// tap notices when words were written.
type tap struct {
	words, text string
	seen        chan struct{}
}

func (w *tap) Write(b []byte) (int, error) {
	before := strings.Contains(w.text, w.words)
	w.text += string(b)
	if !before && strings.Contains(w.text, w.words) {
		close(w.seen)
	}
	return len(b), nil
}

func TestWaitFor(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	teal(t, s.Socket, "wait", "--for=synced", "was").expect(t, exitDone)
	f.Set(held())
	teal(t, s.Socket, "wait", "--for=serving", "was").expect(t, exitDone)
	teal(t, s.Socket, "wait", "--for=synced").expect(t, exitFailed, "held, so it cannot get there by itself: pennyway/was", "GET / → 503")
	f.Set(rolling(reconcile.Verifying))
	teal(t, s.Socket, "wait", "was", "--timeout", "50ms").expect(t, exitTimeout)
}

func TestHistory(t *testing.T) {
	f := fake()
	s := apitest.Serve(t, f)
	teal(t, s.Socket, "history").expect(t, exitDone, "no rollout has ended yet")
	f.Keep(ended(reconcile.Succeeded, reconcile.TriggerChange))
	teal(t, s.Socket, "history", "was").expect(t, exitDone, "r-15", "1.4.2", "succeeded", "4.0s")
	teal(t, s.Socket, "history", "was", "-o", "json").expect(t, exitDone, `"id": "r-15"`)
}

func TestEventsShowTheLastOnes(t *testing.T) {
	f := fake()
	for _, m := range []string{"one", "two", "three"} {
		f.Note(reconcile.Event{At: start, App: was, Reason: reconcile.ReasonHeld, Message: m, Warning: m == "three"})
	}
	s := apitest.Serve(t, f)
	r := teal(t, s.Socket, "events", "--tail", "2")
	r.expect(t, exitDone, "two", "! pennyway/was  Held  three")
	if strings.Contains(r.out, "one") {
		t.Errorf("too many: %s", r.out)
	}
	teal(t, s.Socket, "events", "was", "-o", "json").expect(t, exitDone, `"message":"one"`)
}

func TestEventsAreFollowed(t *testing.T) {
	f := fake()
	f.Note(reconcile.Event{At: start, App: was, Message: "one"})
	s := apitest.Serve(t, f)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	first := &tap{words: "two", seen: make(chan struct{})}
	done := make(chan int, 1)
	go func() {
		done <- Main{Stdout: first, Stderr: first, Env: []string{"TEAL_SOCKET=" + s.Socket}}.Run(ctx, []string{"events", "-f"})
	}()
	f.Note(reconcile.Event{At: start, App: was, Message: "two"})
	<-first.seen
	stop()
	if code := <-done; code != exitDone {
		t.Errorf("exit code %d: %s", code, first.text)
	}
	if strings.Count(first.text, "one") != 1 {
		t.Errorf("shown twice: %s", first.text)
	}
}

func TestLogs(t *testing.T) {
	f := fake()
	f.Write(was, api.LogLine{Container: "was-blue-1", Colour: "blue", Text: "hello\x1b[2J"}, api.LogLine{Container: "was-green-1", Colour: "green", Text: "there"})
	s := apitest.Serve(t, f)
	r := teal(t, s.Socket, "logs", "was")
	r.expect(t, exitDone, "was-green-1 │ there")
	if strings.Contains(r.out, "\x1b") {
		t.Errorf("control characters came through: %q", r.out)
	}
	r = teal(t, s.Socket, "logs", "was", "--colour", "blue", "-o", "json")
	r.expect(t, exitDone, `"container":"was-blue-1"`)
}
