//go:build failpoints

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file is in no release: a binary with it ends itself where a test says so.
// TEAL_FAILPOINTS names a folder that the test and the process share:
//
//	armed   hits count from when this file is there
//	kill    name#n: the process ends with SIGKILL at the n-th hit of name
//	pause   name: the process stands there, armed or not, until the file go is
//	        there, and says so with the file paused
//	trace   every hit, a line each, on the disk before the effect goes on

// failpoint is told of every effect.
var failpoint = newFailpoints(os.Getenv("TEAL_FAILPOINTS"))

// reach tells of an effect of this package.
func reach(name string) {
	if failpoint != nil {
		failpoint(name)
	}
}

// failpoints are the points of one process.
type failpoints struct {
	folder string
	mu     sync.Mutex
	hits   map[string]int
}

func newFailpoints(folder string) func(name string) {
	if folder == "" {
		return nil
	}
	f := &failpoints{folder: folder, hits: map[string]int{}}
	return f.hit
}

func (f *failpoints) hit(name string) {
	if f.says("pause") == name {
		f.must(os.WriteFile(filepath.Join(f.folder, "paused"), nil, 0o600))
		for !f.there("go") {
			time.Sleep(time.Millisecond)
		}
	}
	if !f.there("armed") {
		return
	}
	at := f.count(name)
	if f.says("kill") == at {
		f.must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
}

// count notes a hit and returns it as name#n.
func (f *failpoints) count(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hits[name]++
	at := fmt.Sprintf("%s#%d", name, f.hits[name])
	trace, err := os.OpenFile(filepath.Join(f.folder, "trace"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.must(err)
	_, err = trace.WriteString(at + "\n")
	f.must(err)
	f.must(trace.Close())
	return at
}

func (f *failpoints) there(name string) bool {
	_, err := os.Stat(filepath.Join(f.folder, name))
	return err == nil
}

// says returns the content of a file; empty: there is none.
func (f *failpoints) says(name string) string {
	text, err := os.ReadFile(filepath.Join(f.folder, name))
	if os.IsNotExist(err) {
		return ""
	}
	f.must(err)
	return strings.TrimSpace(string(text))
}

// must ends a test binary that cannot do what the test asked for.
func (f *failpoints) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("failpoints in %s: %v", f.folder, err))
	}
}
