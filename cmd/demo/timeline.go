package main

import (
	"fmt"
	"io"
	"time"
)

// timeline prints what happens, with the time since the demo began.
type timeline struct {
	w     io.Writer
	began time.Time
}

// say prints one line with the time.
func (t timeline) say(format string, args ...any) {
	t.print("%6.2f s  %s", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// add prints a line that belongs to the one before.
func (t timeline) add(format string, args ...any) {
	t.print("          %s", fmt.Sprintf(format, args...))
}

// print prints a line. Nobody can be told when standard output is gone.
func (t timeline) print(format string, args ...any) {
	_, _ = fmt.Fprintf(t.w, format+"\n", args...)
}
