package adopt

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A location that gets Teal's file must not set what that file sets: nginx
// refuses most directives that stand twice, and sends a header twice that is set
// twice, which an app may answer with 400. Such lines become comments.

var simple = regexp.MustCompile(`^\s*([a-z_]+)\s+([^;{}]*);\s*(#.*)?$`)

// several are directives that may well stand beside those of Teal's file, or that
// say what to do, not how.
var several = map[string]bool{"include": true, "set": true, "proxy_pass": true, "access_log": true, "rewrite": true, "break": true, "internal": true}

// setting is what a line sets, as "proxy_set_header host" or "send_timeout";
// "" for a line that sets nothing by itself.
func setting(line string) (what string) {
	m := simple.FindStringSubmatch(line)
	if m == nil || several[m[1]] {
		return ""
	}
	if strings.HasSuffix(m[1], "_set_header") {
		name, _, _ := strings.Cut(strings.TrimSpace(m[2]), " ")
		return m[1] + " " + strings.ToLower(strings.Trim(name, `"'`))
	}
	return m[1]
}

// included is the file that a line includes; "": none.
func included(line string) string {
	m := simple.FindStringSubmatch(line)
	if m == nil || m[1] != "include" {
		return ""
	}
	return strings.Trim(strings.TrimSpace(m[2]), `"'`)
}

// sets are what a file sets outside all blocks, with the files it includes by
// their whole name.
func sets(file string) (map[string]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read what nginx includes: %w", err)
	}
	out, depth := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		if depth == 0 {
			if what := setting(line); what != "" {
				out[what] = true
			}
			if name := included(line); name != "" && !strings.ContainsAny(name, "*?[") && filepath.IsAbs(name) {
				inner, err := sets(name)
				if err != nil {
					return nil, err
				}
				for what := range inner {
					out[what] = true
				}
			}
		}
		depth += braces(line)
	}
	return out, nil
}

// braces is by how many blocks a line goes deeper.
func braces(line string) int {
	line, _, _ = strings.Cut(line, "#")
	return strings.Count(line, "{") - strings.Count(line, "}")
}

// block is the range of lines [from, to) of the block that line at is in.
func block(lines []string, at int) (from, to int) {
	depth := 0
	for from = at; from > 0; from-- {
		if depth += braces(lines[from-1]); depth > 0 {
			break
		}
	}
	depth = 0
	for to = at + 1; to < len(lines); to++ {
		if depth += braces(lines[to]); depth < 0 {
			break
		}
	}
	return from, to
}

// yield makes comments of the lines around line at that Teal's file repeats.
func (s Switch) yield(c *change, at int, teals string, out *Switched) error {
	owned, err := sets(filepath.Join(s.Folder, teals))
	if err != nil {
		return err
	}
	depth := 0
	from, to := block(c.lines, at)
	for i := from; i < to; i++ {
		line := c.lines[i]
		if depth == 0 && i != at {
			repeats, err := s.repeats(line, owned)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", c.file, i+1, err)
			}
			if repeats {
				c.lines[i] = "# Teal's file has it: " + line
				out.Changed = append(out.Changed, fmt.Sprintf("%s:%d: %s became a comment: Teal's file has it", c.file, i+1, strings.TrimSpace(line)))
			}
		}
		depth += braces(line)
	}
	return nil
}

// repeats reports whether a line sets what is owned. A file that is included
// counts if all it sets is owned; if a part is, only a person can divide it.
func (s Switch) repeats(line string, owned map[string]bool) (bool, error) {
	name := included(line)
	if name == "" || strings.ContainsAny(name, "*?[") || strings.HasPrefix(name, s.Folder) {
		return owned[setting(line)], nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(s.Config), name)
	}
	theirs, err := sets(name)
	if err != nil {
		return false, err
	}
	twice := 0
	for what := range theirs {
		if owned[what] {
			twice++
		}
	}
	if twice > 0 && twice < len(theirs) {
		return false, fmt.Errorf("%s sets some of what Teal's file sets, and more: write what is left here in its place", name)
	}
	return twice > 0, nil
}
