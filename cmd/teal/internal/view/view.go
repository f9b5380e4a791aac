// Package view turns what a controller says into text for people. It is pure:
// it takes wire types, whether colours are wanted and the time, and returns
// strings. It promises that nothing an app wrote can steer the terminal, and
// that without colours its output holds no escape sequences.
package view

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Options say how text is made.
type Options struct {
	Colour bool
	// Now is the controller's time that ages are told against.
	Now time.Time
	// Location is where wall clock times are told; nil: UTC.
	Location *time.Location
}

// clock tells a moment as a time of day, with the date when it is another one.
func (o Options) clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	where := o.Location
	if where == nil {
		where = time.UTC
	}
	t, now := t.In(where), o.Now.In(where)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// tint is the way a piece of text stands out.
type tint string

// Tints, as SGR parameters.
const (
	plain  tint = ""
	good   tint = "32"
	bad    tint = "31"
	busy   tint = "33"
	faint  tint = "2"
	strong tint = "1"
	blue   tint = "34"
	green  tint = "32"
)

// paint gives s a tint if colours are wanted.
func (o Options) paint(t tint, s string) string {
	if !o.Colour || t == plain || s == "" {
		return s
	}
	return "\x1b[" + string(t) + "m" + s + "\x1b[0m"
}

// mark is ✔ or ✖.
func (o Options) mark(ok bool) string {
	if ok {
		return o.paint(good, "✔")
	}
	return o.paint(bad, "✖")
}

// cell is one piece of a row, painted after it was padded.
type cell struct {
	text string
	tint tint
}

// table lays rows out in columns. The last cell of a row is not padded, and
// empty columns take no room.
func (o Options) table(rows [][]cell, gap string) []string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		out = append(out, o.row(row, widths, gap))
	}
	return out
}

func (o Options) row(row []cell, widths []int, gap string) string {
	var b strings.Builder
	pending := ""
	for i, c := range row {
		if widths[i] == 0 {
			continue
		}
		if c.text != "" {
			b.WriteString(pending)
			pending = ""
			b.WriteString(o.paint(c.tint, c.text))
		}
		pending += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)) + gap
	}
	return b.String()
}

// join puts lines together, each ended.
func join(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
