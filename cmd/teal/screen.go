package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal returns the file behind w if it is one that people look at.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// colours reports whether text on stdout may be coloured.
func (m Main) colours() bool {
	if m.env("NO_COLOR") != "" || m.env("TERM") == "dumb" {
		return false
	}
	if force := m.env("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	_, ok := terminal(m.Stdout)
	return ok
}

// live reports whether stdout can be drawn over.
func (m Main) live() bool {
	_, ok := terminal(m.Stdout)
	return ok && m.env("TERM") != "dumb"
}

// screen is a part of the terminal that is drawn over and over. It writes one
// string per frame, so that nothing flickers.
type screen struct {
	w      io.Writer
	height func() int // lines of the terminal
	drawn  int        // lines of the last frame
}

func (m Main) screen() *screen {
	return &screen{w: m.Stdout, height: func() int {
		if f, ok := terminal(m.Stdout); ok {
			if _, h, err := term.GetSize(int(f.Fd())); err == nil {
				return h
			}
		}
		return 24
	}}
}

// draw replaces the last frame. Lines that are too long are cut by the
// terminal (wrapping is off meanwhile), lines that are too many are counted.
func (s *screen) draw(text string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if room := max(s.height()-1, 2); len(lines) > room {
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… %d more lines", len(lines)-room+1))
	}
	var b strings.Builder
	b.WriteString("\x1b[?7l")
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		b.WriteString("\r\x1b[2K" + l + "\n")
	}
	b.WriteString("\x1b[J\x1b[?7h")
	s.drawn = len(lines)
	_, err := io.WriteString(s.w, b.String())
	return err
}
