package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// entry is one line of the journal.
type entry struct {
	At     time.Time `json:"at"`
	Round  int       `json:"round"`
	What   string    `json:"what"`
	On     string    `json:"on,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// journal is what was done, one JSON object per line, and counts of it.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	show    bool
	round   int
	entries []entry
	counts  map[string]int
}

func newJournal(path string, show bool) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the journal's folder: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make the journal: %w", err)
	}
	return &journal{file: file, show: show, counts: map[string]int{}}, nil
}

// write notes an action that is about to be done, or what came of one.
func (j *journal) write(what, on, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := entry{time.Now(), j.round, what, on, fmt.Sprintf(format, args...)}
	j.entries = append(j.entries, e)
	if len(j.entries) > 400 {
		j.entries = j.entries[200:]
	}
	j.counts[what]++
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: write the journal:", err)
	}
	if j.show {
		fmt.Fprintf(os.Stderr, "%s %3d %-16s %-12s %s\n", e.At.Format("15:04:05.000"), e.Round, e.What, e.On, e.Detail)
	}
}

// next begins a round.
func (j *journal) next() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.round++
	return j.round
}

// last are the newest entries.
func (j *journal) last(n int) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]entry(nil), j.entries[max(0, len(j.entries)-n):]...)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
