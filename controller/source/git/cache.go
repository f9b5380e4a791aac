package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Limits of one source's copy.
const (
	maxObject = 32 << 20 // bytes of a tree or commit that is read
	maxPacks  = 64       // fetches before the copy is made anew
)

// cache is a shallow, partial copy that the system's git fills. It holds commits,
// folders and the few files that were asked for, and lives as long as this
// process: what a killed one leaves is thrown away, so that no lock, half-written
// pack or process of it can matter.
type cache struct {
	program *program
	folder  string
	format  string // of object names; empty: sha1
	reader  *catFile
	fetches int
}

// newCache makes an empty copy in a new folder below dir.
func newCache(p *program, dir, format string) (_ *cache, err error) {
	folder, err := os.MkdirTemp(dir, cachePrefix)
	if err != nil {
		return nil, fmt.Errorf("make a copy: %w", err)
	}
	c := &cache{program: p, folder: folder, format: format}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	promise := fmt.Sprintf("[remote \"origin\"]\n\turl = %s\n\tpromisor = true\n\tpartialclonefilter = blob:none\n", quotedValue(p.address.String()))
	if err := bare(filepath.Join(folder, "copy"), format, "\tpartialClone = origin\n", promise); err != nil {
		return nil, err
	}
	// The reader's repository promises nothing, so that it asks nobody for what
	// is not there.
	return c, bare(filepath.Join(folder, "reader"), format, "", "")
}

// bare makes an empty repository, as git init does, without its templates.
func bare(dir, format, extensions, more string) error {
	if format != "" {
		extensions += "\tobjectFormat = " + format + "\n"
	}
	config := "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n" + extensions + more
	for _, sub := range []string{"objects/pack", "objects/info", "refs/heads", "refs/teal"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return fmt.Errorf("make a copy: %w", err)
		}
	}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/none\n", "config": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("make a copy: %w", err)
		}
	}
	return nil
}

// quotedValue is a value as git's configuration files hold it.
func quotedValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (c *cache) copy() string { return filepath.Join(c.folder, "copy") }

// smallFile is what a fetch brings along of changed files without being asked:
// almost always what is needed.
const smallFile = "blob:limit=64k"

func (c *cache) pull(ctx context.Context, ref string, since time.Time) (string, error) {
	how := []string{"--filter=blob:none", "--depth=1"}
	if c.fetches > 0 {
		how[0] = "--filter=" + smallFile
	}
	var err error
	if !since.IsZero() {
		how[1] = "--shallow-since=@" + strconv.FormatInt(since.Unix(), 10)
		err = c.fetch(ctx, ref, how...)
		if _, refused := errors.AsType[*commandError](err); refused { // nothing of the history is that new, or the server cannot tell
			how[1], err = "--depth=1", nil
			since = time.Time{}
		}
	}
	if since.IsZero() && err == nil {
		err = c.fetch(ctx, ref, how...)
	}
	if err != nil {
		return "", c.explain(err)
	}
	c.fetches++
	id, err := os.ReadFile(filepath.Join(c.copy(), "refs", "teal", "new"))
	if err != nil {
		return "", fmt.Errorf("read what was fetched: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

func (c *cache) fetch(ctx context.Context, ref string, how ...string) error {
	args := append([]string{"--git-dir=" + c.copy(), "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"}, how...)
	args = append(args, "--", "origin", "+"+ref+":refs/teal/new")
	return c.program.run(ctx, order{args: args})
}

func (c *cache) deepen(ctx context.Context, ref string, depth int) error {
	return c.explain(c.fetch(ctx, ref, "--filter=tree:0", "--depth="+strconv.Itoa(depth)))
}

func (c *cache) bring(ctx context.Context, blobs []string) error {
	args := []string{
		"-c", "fetch.negotiationAlgorithm=noop", "--git-dir=" + c.copy(), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules",
		"--no-write-fetch-head", "--filter=blob:none", "--stdin", "--", "origin",
	}
	return c.explain(c.program.run(ctx, order{args: args, input: strings.NewReader(strings.Join(blobs, "\n") + "\n")}))
}

// explain makes a fault of what git says. Most of what can go wrong was seen by
// the poll, in better words.
func (c *cache) explain(err error) error {
	var own *commandError
	if !errors.As(err, &own) {
		return err
	}
	return &FollowError{Reason: ReasonUnreachable, Message: fmt.Sprintf("fetch from %s: %s", c.program.address, strings.TrimPrefix(own.said, "fatal: ")), Err: err}
}

func (c *cache) object(id string) (kind, []byte, error) {
	if c.reader == nil {
		r, err := c.read()
		if err != nil {
			return "", nil, err
		}
		c.reader = r
	}
	what, raw, err := c.reader.ask(id)
	if err != nil && !errors.Is(err, errMissing) {
		return "", nil, errors.Join(err, c.rest())
	}
	return what, raw, err
}

// worn reports whether so much was fetched that a new copy costs less.
func (c *cache) worn() bool { return c.fetches >= maxPacks }

// rest ends the process that reads, until the next question.
func (c *cache) rest() error {
	if c.reader == nil {
		return nil
	}
	err := c.reader.close()
	c.reader = nil
	return err
}

func (c *cache) close() error {
	err := c.rest()
	if removed := os.RemoveAll(c.folder); removed != nil {
		err = errors.Join(err, fmt.Errorf("remove a copy: %w", removed))
	}
	return err
}

// catFile is a process that reads objects.
type catFile struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	cancel context.CancelFunc
	ended  chan struct{}
}

// read starts a process that reads what is there and nothing else.
func (c *cache) read() (*catFile, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.program.limit)
	cmd, err := c.program.command(ctx, order{
		args: []string{"--git-dir=" + filepath.Join(c.folder, "reader"), "cat-file", "--batch"},
		env:  []string{"GIT_OBJECT_DIRECTORY=" + filepath.Join(c.copy(), "objects"), "GIT_ALLOW_PROTOCOL="},
	}, io.Discard)
	if err != nil {
		cancel()
		return nil, err
	}
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		cancel()
		return nil, fmt.Errorf("read objects: %w", err)
	}
	f := &catFile{cmd: cmd, in: in, out: bufio.NewReader(out), cancel: cancel, ended: make(chan struct{})}
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // see [program.run]
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			begun <- err
			return
		}
		begun <- nil
		defer close(f.ended)
		_ = cmd.Wait() // it is killed
	}()
	if err := <-begun; err != nil {
		cancel()
		return nil, fmt.Errorf("read objects: %w", err)
	}
	return f, nil
}

// ask reads one object.
func (f *catFile) ask(id string) (kind, []byte, error) {
	if !isObject.MatchString(id) {
		return "", nil, fmt.Errorf("%q is not the name of an object", id)
	}
	if _, err := io.WriteString(f.in, id+"\n"); err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	head, err := f.out.ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	words := strings.Fields(head)
	if len(words) == 2 && words[1] == "missing" {
		return "", nil, fmt.Errorf("%s: %w", id, errMissing)
	}
	if len(words) != 3 {
		return "", nil, fmt.Errorf("read object %s: git says %q", id, cleaned(head))
	}
	size, err := strconv.Atoi(words[2])
	if err != nil || size > maxObject {
		return "", nil, fmt.Errorf("object %s is of %s bytes, more than %d", id, words[2], maxObject)
	}
	var raw bytes.Buffer
	if _, err := io.CopyN(&raw, f.out, int64(size)+1); err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	return kind(words[1]), raw.Bytes()[:size], nil
}

// close ends the process and waits for it.
func (f *catFile) close() error {
	f.cancel() // it is killed, and its end says nothing else
	<-f.ended
	if err := f.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("end reading: %w", err)
	}
	return nil
}
