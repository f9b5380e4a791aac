package view

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"teal/spec"
)

// sgr matches the escape sequences that only set colours.
var sgr = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// Clean takes everything out of s that could steer a terminal; a tab or line
// end becomes a space.
func Clean(s string) string {
	s = sgr.ReplaceAllString(strings.TrimRight(s, "\r\n"), "")
	return withoutControls(strings.NewReplacer("\t", " ", "\n", " ").Replace(s))
}

func withoutControls(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// cleanLog is [Clean] for a log line: it keeps tabs and, where colours are
// wanted, the line's own colours, which then end with the line.
func cleanLog(s string, colours bool) string {
	var b strings.Builder
	at := 0
	for _, m := range sgr.FindAllStringIndex(s, -1) {
		b.WriteString(withoutControls(s[at:m[0]]))
		if colours {
			b.WriteString(s[m[0]:m[1]])
		}
		at = m[1]
	}
	b.WriteString(withoutControls(s[at:]))
	if colours && at > 0 {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// watch tells a length as on a stopwatch: 00:07, 1:02:03.
func watch(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%02d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// length tells a length in at most two units: 340ms, 7s, 2m03s, 5h12m, 3d4h.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// count groups digits by thousands: 12 410.
func count(n int64) string {
	if n < 0 {
		return "-" + count(-n)
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// millis tells seconds as milliseconds, or seconds from one on.
func millis(seconds float64) string {
	switch {
	case seconds >= 1:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds >= 0.001:
		return fmt.Sprintf("%.0f ms", seconds*1000)
	}
	return fmt.Sprintf("%.1f ms", seconds*1000)
}

// ShortImage tells the part of an image reference that changes: its tag, or the
// beginning of its digest, or else its name.
func ShortImage(ref string) string {
	name, digest, _ := strings.Cut(ref, "@")
	last := name[strings.LastIndex(name, "/")+1:]
	if _, tag, ok := strings.Cut(last, ":"); ok {
		return Clean(tag)
	}
	if _, sum, ok := strings.Cut(digest, ":"); ok {
		return Clean(sum[:min(12, len(sum))])
	}
	return Clean(last)
}

// short tells a revision by its first digits.
func short(revision string) string {
	_, id, ok := strings.Cut(revision, ":")
	if !ok {
		id = revision
	}
	return Clean(id[:min(8, len(id))])
}

func colourTint(c spec.Colour) tint {
	switch c {
	case spec.Blue:
		return blue
	case spec.Green:
		return green
	}
	return plain
}

// plural tells a number of things: 1 problem, 2 problems.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
