package git

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"teal/controller/source"
	"teal/spec"
)

// Loader reads the desired state of one project. Dir and Files of the options are
// set; how it is read beside that, policy and variables, is the loader's.
type Loader func(ctx context.Context, o spec.Options) (*spec.Project, error)

// Signed is what a signature can be on.
type Signed struct {
	Commit []byte // as git hashes it, the signature included
	Tag    []byte // the annotated tag that was followed, likewise; nil: none
	Name   string // of the ref that was followed: refs/tags/v1.2.0
}

// Options are what a source is made of. Name, URL, Folder and Load are needed.
type Options struct {
	Name        string
	URL         string // see [ParseAddress]
	Follow      Follow
	Paths       []string // of Compose files or their folders in the repository, or patterns of such; none: its root
	Credentials Credentials
	// FollowRewrites follows a branch that was rewritten, a tag that was moved, and
	// an earlier version when the newest tag of a range is gone.
	FollowRewrites bool
	Takes          []string // projects that it gets, whoever had them before
	Prune          bool     // what the repository no longer names is to be removed
	Folder         string   // for what is fetched; of this source alone
	Load           Loader
	// Verify, when set, is asked about every new commit before anything of it is
	// used. It returns whose key signed it; an error refuses the commit.
	Verify func(ctx context.Context, s Signed) (signer string, err error)
	// Next returns when to look again; nil: every Interval, give or take a tenth.
	Next     func(time.Time) time.Time
	Interval time.Duration // default 30 s
	Limit    time.Duration // for one command of git; default 2 min
	Logger   *slog.Logger  // nil: nobody
}

const (
	defaultInterval = 30 * time.Second
	defaultLimit    = 2 * time.Minute
	pollLimit       = 15 * time.Second // for the server to tell its refs
	defaultParallel = 8
	cachePrefix     = "copy-"
	scratchPrefix   = "new-"
)

// Group makes sources that share connections, and look one after the other
// beyond a number.
type Group struct {
	git   string // path of the program; empty: there is none
	slots chan struct{}

	mu         sync.Mutex
	transports map[string]*carrier // by authority
	lines      map[lineKey]*line
}

// NewGroup returns a group of which at most parallel sources (0: 8) talk to their
// servers at a time. git is the path of the system's git; empty: go-git is used.
func NewGroup(git string, parallel int) *Group {
	if parallel <= 0 {
		parallel = defaultParallel
	}
	return &Group{git: git, slots: make(chan struct{}, parallel), transports: map[string]*carrier{}, lines: map[lineKey]*line{}}
}

// Close gives up all connections. No source of the group may run any more.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.transports {
		t.CloseIdleConnections()
	}
	for _, l := range g.lines {
		l.drop(nil)
	}
	return nil
}

// Source follows one repository. It implements the controller's Source.
type Source struct {
	opts    Options
	address Address
	group   *Group
	server  server
	log     *slog.Logger
	asks    chan ask
	poke    chan struct{}

	// Of the goroutine that runs it:
	copy     clone  // nil: none yet
	kept     kept   // what is in force
	made     string // commit that this process exported: all that its projects ask for is there
	stale    bool   // it has to be written again although the commit is the same
	refused  refusal
	failures int
	outside  map[string]stamp // files beside the export that were read

	mu     sync.Mutex
	state  source.State
	began  time.Time // of the last look that has ended
	looked time.Time // when it ended
	fault  error     // of the last look
}

// refusal is a commit that is not followed, and why.
type refusal struct {
	object string
	fault  *FollowError
	until  time.Time
}

// rethink is after how long a refused commit is fetched and judged again.
const rethink = 10 * time.Minute

// ask waits for a look that began after it was asked for.
type ask struct{ done chan struct{} }

// New returns a source that looks at nothing yet. Its error says what of the
// options cannot work.
func (g *Group) New(o Options) (*Source, error) {
	address, err := ParseAddress(o.URL)
	if err != nil {
		return nil, err
	}
	if err := o.check(address, g.git); err != nil {
		return nil, err
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"."}
	}
	s := &Source{
		opts: o, address: address, group: g, log: o.Logger, asks: make(chan ask), poke: make(chan struct{}, 1),
		state: source.State{Name: o.Name, URL: address.String(), Follow: o.Follow.String(), Takes: o.Takes},
	}
	if s.opts.Next == nil {
		s.opts.Next = s.jittered
	}
	s.server, err = g.serverOf(s)
	return s, err
}

func (o Options) check(a Address, git string) error {
	if err := o.Follow.check(); err != nil {
		return err
	}
	for _, p := range o.Paths {
		if err := CheckPath(p); err != nil {
			return err
		}
	}
	c := o.Credentials
	switch {
	case c.TokenFile != "" && c.PasswordFile != "":
		return errors.New("token_file and password_file cannot be given together")
	case c.PasswordFile != "" && c.Username == "":
		return errors.New("password_file needs username")
	case a.Scheme != "https" && (c.TokenFile != "" || c.PasswordFile != "" || c.Username != "" || c.CA != ""):
		return fmt.Errorf("token_file, username, password_file and ca are for https, not for %s", a.Scheme)
	case a.Scheme != "ssh" && (c.Identity != "" || c.KnownHosts != ""):
		return fmt.Errorf("identity and known_hosts are for ssh, not for %s", a.Scheme)
	case a.Scheme == "ssh" && c.Identity == "":
		return errors.New("ssh needs a private key: identity")
	case a.Scheme == "file" && git == "":
		return errors.New("a repository of this machine needs the program git, and there is none")
	}
	return nil
}

// serverOf returns what answers the polls of a source.
func (g *Group) serverOf(s *Source) (server, error) {
	switch s.address.Scheme {
	case "https":
		t, err := g.transport(s.opts.Credentials.CA)
		if err != nil {
			return nil, err
		}
		return &httpServer{base: s.address.String(), credentials: s.opts.Credentials, transport: t}, nil
	case "ssh":
		return &sshServer{address: s.address, credentials: s.opts.Credentials, line: g.line(s.address, s.opts.Credentials)}, nil
	}
	return &localServer{program: s.program()}, nil
}

func (s *Source) program() *program {
	return &program{path: s.group.git, home: s.home(), address: s.address, credentials: s.opts.Credentials, limit: s.opts.Limit}
}

func (s *Source) home() string { return filepath.Join(s.opts.Folder, "home") }
func (s *Source) revs() string { return filepath.Join(s.opts.Folder, "revs") }

// jittered is an interval that keeps sources from looking all at once.
func (s *Source) jittered(t time.Time) time.Time {
	tenth := int64(s.opts.Interval) / 10
	return t.Add(s.opts.Interval + time.Duration(rand.Int64N(2*tenth+1)-tenth))
}

// Files implements the controller's Source: it names the repository.
func (s *Source) Files() []string { return []string{s.opts.Name + " (" + s.address.String() + ")"} }

// Looked returns when a look last ended.
func (s *Source) Looked() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked
}

// State tells how the source stands.
func (s *Source) State() source.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Poke has the source looked at soon, in addition to its schedule. It never
// blocks; several in a row are one.
func (s *Source) Poke() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Sync looks now, unless a look has ended that began at since or later, and
// returns once what was found was offered. Its error is why the source could not
// be followed, or that ctx ended.
func (s *Source) Sync(ctx context.Context, since time.Time) error {
	for {
		s.mu.Lock()
		began, fault := s.began, s.fault
		s.mu.Unlock()
		if !began.IsZero() && !began.Before(since) {
			return fault
		}
		a := ask{done: make(chan struct{})}
		select {
		case s.asks <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run calls emit with what was in force at the last stop, and with every change,
// until ctx ends.
func (s *Source) Run(ctx context.Context, emit func(source.Update)) error {
	if err := s.prepare(); err != nil {
		return err
	}
	defer s.end()
	s.recover(ctx, emit)
	var waiting []ask
	for next := time.Now(); ; {
		timer := time.NewTimer(time.Until(next))
		forced := false
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-s.poke:
		case a := <-s.asks:
			waiting, forced = append(waiting, a), true
		}
		timer.Stop()
		next = s.turn(ctx, emit, forced)
		for _, a := range waiting {
			close(a.done)
		}
		waiting = waiting[:0]
	}
}

// turn looks once and returns when to look again.
func (s *Source) turn(ctx context.Context, emit func(source.Update), forced bool) time.Time {
	select {
	case s.group.slots <- struct{}{}:
	case <-ctx.Done():
		return time.Now()
	}
	began := time.Now()
	fault := s.look(ctx, emit, forced)
	<-s.group.slots
	if ctx.Err() != nil {
		return time.Now()
	}
	next := s.schedule(fault)
	s.mu.Lock()
	s.began, s.looked, s.state.Next, s.fault = began, time.Now(), next, nil
	if fault != nil {
		s.fault = fault
	}
	s.mu.Unlock()
	return next
}

// Longest waits after failures. Credentials do not become good by trying, and
// some servers lock out who tries often.
const (
	longestWait       = 2 * time.Minute
	longestCredential = 15 * time.Minute
)

// schedule returns when to look again after a look that ended with fault.
func (s *Source) schedule(fault *FollowError) time.Time {
	now := time.Now()
	next := s.opts.Next(now)
	if fault == nil {
		s.failures = 0
		return next
	}
	s.failures++
	longest := longestWait
	if fault.Reason == ReasonCredentials || fault.Reason == ReasonHostKey {
		longest = longestCredential
	}
	wait := s.opts.Interval
	for n := 1; n < s.failures && wait < longest; n++ {
		wait *= 2
	}
	if later := now.Add(min(wait, longest)); later.After(next) {
		return later
	}
	return next
}

// prepare makes the folders and throws away what a killed process left.
func (s *Source) prepare() error {
	for _, dir := range []string{s.revs(), s.home()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the source's folder: %w", err)
		}
	}
	for _, pattern := range []string{filepath.Join(s.opts.Folder, cachePrefix+"*"), filepath.Join(s.revs(), scratchPrefix+"*")} {
		left, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("look for leftovers: %w", err)
		}
		for _, dir := range left {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove leftovers: %w", err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(s.home(), localConfig), []byte(localText), 0o600); err != nil {
		return fmt.Errorf("make the source's folder: %w", err)
	}
	return nil
}

// end forgets the copy.
func (s *Source) end() {
	if err := s.forget(); err != nil {
		s.log.Warn("copy of a repository was not removed", "source", s.opts.Name, "error", err)
	}
}

func (s *Source) forget() error {
	if s.copy == nil {
		return nil
	}
	err := s.copy.close()
	s.copy = nil
	return err
}
