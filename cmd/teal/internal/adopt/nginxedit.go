package adopt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// Switch says how an nginx of this host is to send its requests through Teal's
// files.
type Switch struct {
	Nginx  *Nginx
	Config string // the main configuration file
	Folder string // Teal's, with the file Main for the http block
	Main   string // "teal.conf"
	// Apps are where requests of each app go today, and which file of Folder takes
	// its place.
	Apps []SwitchApp
	// Run runs nginx with arguments and returns what it wrote; an exit status
	// other than 0 is an error.
	Run func(ctx context.Context, args ...string) (string, error)
}

// SwitchApp is one app of a [Switch].
type SwitchApp struct {
	Name    string
	Include string // file of the folder
	Proxied []Proxied
}

// Switched is what was done.
type Switched struct {
	Changed []string // "file:line: what"
	Backups []string
	Made    bool // the folder, with a file that serves nothing yet
	// Waiting are apps whose file is not there yet: the controller writes it.
	Waiting []string
	// Lingers tells that workers with the configuration of before still took
	// connections ten seconds after the reload.
	Lingers bool
}

var opensHTTP = regexp.MustCompile(`^\s*http\s*\{\s*(#.*)?$`)

var passes = regexp.MustCompile(`\bproxy_pass\s[^;]*;`)

// IncludeLine is the line of nginx's configuration that includes file.
func (s Switch) IncludeLine(file string) string {
	return "include " + filepath.Join(s.Folder, file) + ";"
}

// HasMain reports whether the http block includes Teal's file.
func (s Switch) HasMain() bool {
	return slices.Contains(s.Nginx.Includes, filepath.Join(s.Folder, s.Main))
}

// Make edits the files, each with a backup beside it whose name begins with a
// dot, tests the configuration and reloads nginx once. If nginx refuses, every
// file is put back. With nothing to change, nginx is not touched.
func (s Switch) Make(ctx context.Context) (out Switched, err error) {
	changes, err := s.changes(&out)
	if err != nil || len(changes) == 0 {
		return out, err
	}
	undo := []func() error{}
	defer func() {
		if err == nil {
			return
		}
		for _, u := range slices.Backward(undo) {
			err = errors.Join(err, u())
		}
	}()
	if out.Made, err = s.folder(); err != nil {
		return out, err
	}
	for _, c := range changes {
		backup, back, err := c.write()
		if err != nil {
			return out, err
		}
		undo = append(undo, back)
		out.Backups = append(out.Backups, backup)
	}
	if words, err := s.Run(ctx, "-t", "-c", s.Config); err != nil {
		return out, fmt.Errorf("nginx refuses the change, which was undone: %w: %s", err, strings.TrimSpace(words))
	}
	old := s.workers(ctx)
	if words, err := s.Run(ctx, "-s", "reload", "-c", s.Config); err != nil {
		return out, fmt.Errorf("nginx was not reloaded, and the change was undone: %w: %s", err, strings.TrimSpace(words))
	}
	out.Lingers = !settled(ctx, old)
	return out, nil
}

// folder makes Teal's folder with a file that serves nothing yet.
func (s Switch) folder() (made bool, err error) {
	main := filepath.Join(s.Folder, s.Main)
	if _, err := os.Stat(main); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return false, fmt.Errorf("make Teal's folder: %w", err)
	}
	if err := os.WriteFile(main, []byte("# Teal writes this file. It serves nothing yet.\n"), 0o644); err != nil {
		return false, fmt.Errorf("make Teal's file: %w", err)
	}
	return true, nil
}

// change is a file with new lines.
type change struct {
	file  string
	lines []string
}

// changes finds what has to be edited; nothing is yet.
func (s Switch) changes(out *Switched) ([]*change, error) {
	if s.Nginx.Copied {
		return nil, errors.New("what nginx -T printed does not say where the files are; name the main configuration file of this host")
	}
	var all []*change
	if !s.HasMain() {
		if s.Nginx.HTTPFile == "" {
			return nil, fmt.Errorf("%s has no http block", s.Config)
		}
		c, err := open(&all, s.Nginx.HTTPFile)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(c.lines, opensHTTP.MatchString)
		if at < 0 {
			return nil, fmt.Errorf("%s: the http block does not begin on a line of its own; write at its beginning: %s", c.file, s.IncludeLine(s.Main))
		}
		// At the beginning: what Teal's files define there must come before it is used.
		c.lines[at] += "\n    " + s.IncludeLine(s.Main)
		out.Changed = append(out.Changed, fmt.Sprintf("%s:%d: %s was added to the http block", c.file, at+2, s.IncludeLine(s.Main)))
	}
	for _, a := range s.Apps {
		if _, err := os.Stat(filepath.Join(s.Folder, a.Include)); errors.Is(err, fs.ErrNotExist) {
			out.Waiting = append(out.Waiting, a.Name)
			continue
		} else if err != nil {
			return nil, err
		}
		for _, p := range a.Proxied {
			if err := s.through(&all, a, p, out); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// through replaces one proxy_pass.
func (s Switch) through(all *[]*change, a SwitchApp, p Proxied, out *Switched) error {
	if p.Rewrite {
		return fmt.Errorf("%s: nginx changes the path here (proxy_pass %s), which Teal's file does not; edit it by hand", p.Place(), p.Pass)
	}
	c, err := open(all, p.File)
	if err != nil {
		return err
	}
	at := p.Line - 1
	found := []string{}
	if at < len(c.lines) {
		found = passes.FindAllString(strings.SplitN(c.lines[at], "#", 2)[0], -1)
	}
	if len(found) != 1 {
		return fmt.Errorf("%s: the proxy_pass does not stand on one line; write in its place: %s", p.Place(), s.IncludeLine(a.Include))
	}
	c.lines[at] = strings.Replace(c.lines[at], found[0], s.IncludeLine(a.Include)+" # before Teal: "+found[0], 1)
	out.Changed = append(out.Changed, fmt.Sprintf("%s: %s in place of %s", p.Place(), s.IncludeLine(a.Include), found[0]))
	return s.yield(c, at, a.Include, out)
}

// open returns the change of a file, its links followed.
func open(all *[]*change, name string) (*change, error) {
	file, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	for _, c := range *all {
		if c.file == file {
			return c, nil
		}
	}
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	c := &change{file, strings.Split(text, "\n")}
	*all = append(*all, c)
	return c, nil
}

// write replaces the file in one step, after it was copied to its backup, and
// returns what puts it back. nginx includes no names that begin with a dot.
func (c *change) write() (backup string, back func() error, err error) {
	before, err := os.ReadFile(c.file)
	if err != nil {
		return "", nil, err
	}
	for n := 1; ; n++ {
		backup = filepath.Join(filepath.Dir(c.file), fmt.Sprintf(".%s.before-teal-%d", filepath.Base(c.file), n))
		err := copyAs(c.file, backup, before, os.O_EXCL)
		if errors.Is(err, fs.ErrExist) && n < 1000 {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("back up %s: %w", c.file, err)
		}
		break
	}
	back = func() error { return errors.Join(replaceFile(c.file, before), os.Remove(backup)) }
	if err := replaceFile(c.file, []byte(strings.Join(c.lines, "\n"))); err != nil {
		return "", nil, errors.Join(err, os.Remove(backup))
	}
	return backup, back, nil
}

// replaceFile writes beside the file and renames, so that it is whole at every
// moment.
func replaceFile(file string, text []byte) error {
	fresh := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".new")
	if err := copyAs(file, fresh, text, os.O_TRUNC); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(fresh, file); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), os.Remove(fresh))
	}
	return nil
}

// copyAs writes text to a file with the owner and mode of like.
func copyAs(like, to string, text []byte, flag int) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|flag, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = errors.Join(err, f.Chown(int(owner.Uid), int(owner.Gid)))
	}
	return errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
}
