package git

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/controller/source"
	"teal/controller/source/git/gittest"
	"teal/spec"
)

func TestCredentialsThatAreNotGoodAreOneFault(t *testing.T) {
	h, s := gittest.StartHTTPS(t), gittest.StartSSH(t)
	h.User, h.Password = "git", "open-sesame-7"
	r := h.Repository(t, "ops")
	r.Save("compose.yaml", compose("web:1"), "First")
	stranger := filepath.Join(t.TempDir(), "stranger")
	gittest.NewKey(t, stranger)
	other := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := h.URL + "/" + r.Name
	for name, c := range map[string]struct {
		url    string
		with   Credentials
		reason string
		words  string
	}{
		"a wrong token":        {url, Credentials{CA: h.CA, TokenFile: secret(t, "open-barley-7")}, string(ReasonCredentials), "token or password"},
		"no token":             {url, Credentials{CA: h.CA}, string(ReasonCredentials), "token_file"},
		"no such repository":   {h.URL + "/none.git", Credentials{CA: h.CA, TokenFile: secret(t, "open-sesame-7")}, string(ReasonNoRepository), "404"},
		"an unknown authority": {url, Credentials{TokenFile: secret(t, "open-sesame-7")}, string(ReasonUnreachable), "ca"},
		"an unknown key":       {s.URL + r.Bare, Credentials{Identity: stranger, KnownHosts: s.KnownHosts}, string(ReasonCredentials), "deploy key"},
		"an unknown host":      {s.URL + r.Bare, Credentials{Identity: s.Identity, KnownHosts: other}, string(ReasonHostKey), "fingerprint is SHA256:"},
		"no folder there":      {s.URL + "/nowhere.git", Credentials{Identity: s.Identity, KnownHosts: s.KnownHosts}, string(ReasonNoRepository), "nowhere"},
		"nobody listening":     {"https://127.0.0.1:1/x.git", Credentials{}, string(ReasonUnreachable), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{URL: c.url, Credentials: c.with}).run()
			err := b.sync()
			if err == nil || string(faultOf(err).Reason) != c.reason || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want %s with %q", err, c.reason, c.words)
			}
			if strings.Contains(err.Error(), "open-") {
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

func TestFailuresBackOff(t *testing.T) {
	s := &Source{opts: Options{Interval: time.Second, Next: func(t time.Time) time.Time { return t.Add(time.Second) }}}
	wait := func(f *FollowError) time.Duration { return time.Until(s.schedule(f)).Round(time.Second) }
	wrong := &FollowError{Reason: ReasonCredentials}
	var got []time.Duration
	for range 12 {
		got = append(got, wait(wrong))
	}
	if got[0] != time.Second || got[3] != 8*time.Second || got[11] != longestCredential {
		t.Errorf("waits %v", got)
	}
	if d := wait(&FollowError{Reason: ReasonUnreachable}); d != longestWait {
		t.Errorf("an unreachable server is tried after %s", d)
	}
	if d := wait(nil); d != time.Second {
		t.Errorf("after a good look: %s", d)
	}
	if d := wait(wrong); d != time.Second {
		t.Errorf("the next failure is tried after %s", d)
	}
}

// hung accepts connections and says nothing.
func hung(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

func TestAServerThatHangsHoldsNobodyUp(t *testing.T) {
	r, id := local(t)
	group := NewGroup(Find(), 2)
	t.Cleanup(func() { _ = group.Close() })
	for _, url := range []string{"https://" + hung(t) + "/ops.git", "ssh://git@" + hung(t) + "/ops.git"} {
		o := newBench(t, Options{URL: url}).opts
		if strings.HasPrefix(url, "ssh") {
			o.Credentials.Identity = filepath.Join(t.TempDir(), "id")
			gittest.NewKey(t, o.Credentials.Identity)
			o.Credentials.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(o.Credentials.KnownHosts, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := group.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		begun := time.Now()
		_, err = s.server.refs(ctx, []string{"HEAD"})
		cancel()
		if f := faultOf(err); f.Reason != ReasonUnreachable || !strings.Contains(err.Error(), "in time") {
			t.Errorf("%s: %v", url, err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s was given up after %s", url, took)
		}
	}
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(id)
}

// wrapped puts something in front of a server's git.
func wrapped(h *gittest.HTTPS, wrap func(w http.ResponseWriter, r *http.Request, git http.Handler)) {
	all := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { wrap(w, r, next) })
	}
	h.Wrap.Store(&all)
}

// isPack reports whether a request asks for a pack, and puts its body back.
func isPack(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return strings.Contains(string(body), "command=fetch")
}

// cutShort lets through n bytes, then breaks the connection.
type cutShort struct {
	http.ResponseWriter
	left int
}

func (c *cutShort) Write(b []byte) (int, error) {
	if len(b) > c.left {
		if _, err := c.ResponseWriter.Write(b[:c.left]); err != nil {
			return 0, err
		}
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

func TestAFetchThatIsCutOrHangsChangesNothing(t *testing.T) {
	h := gittest.StartHTTPS(t)
	r := h.Repository(t, "ops")
	first := r.Save("compose.yaml", compose("web:1"), "First")
	o := Options{URL: h.URL + "/" + r.Name, Credentials: Credentials{CA: h.CA}, Limit: 5 * time.Second}
	b := newBench(t, o).run()
	b.follows(first)
	second := r.Save("compose.yaml", compose("web:2")+"# "+strings.Repeat("x", 5000), "Second")
	wrapped(h, func(w http.ResponseWriter, r *http.Request, git http.Handler) {
		if isPack(r) {
			w = &cutShort{w, 90}
		}
		git.ServeHTTP(w, r)
	})
	b.refuses(ReasonUnreachable, "fetch from")
	b.wants("compose.yaml", "web:1")
	wrapped(h, func(w http.ResponseWriter, r *http.Request, git http.Handler) {
		if isPack(r) {
			<-r.Context().Done()
			return
		}
		git.ServeHTTP(w, r)
	})
	b.refuses(ReasonUnreachable, "did not end within 5s")
	h.Wrap.Store(nil)
	b.follows(second)
	b.wants("compose.yaml", "web:2")
}

func TestRewrittenHistoryIsFollowedOnlyIfAllowed(t *testing.T) {
	r, first := local(t)
	second := r.Save("compose.yaml", compose("web:2"), "Second")
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(second)
	r.Do("reset", "--quiet", "--hard", first)
	r.Write("compose.yaml", compose("web:3"))
	rewritten := r.Commit("Other")
	r.Push("--force", "HEAD")
	b.refuses(ReasonRewritten, "branch main was rewritten", second[:12], "follow_rewrites")
	b.wants("compose.yaml", "web:2")
	r.Push("--force", first+":refs/heads/main") // back to an ancestor is a rewriting, too
	b.refuses(ReasonRewritten)

	r.Push("--force", rewritten+":refs/heads/main")
	b.stop()
	b.opts.FollowRewrites = true
	b.run()
	b.follows(rewritten)
	b.wants("compose.yaml", "web:3")
	if !slices.ContainsFunc(b.said, func(u source.Update) bool {
		return u.Reason == ReasonRewritten && strings.Contains(u.Notice, "rewritten")
	}) {
		t.Error("nothing was told of it")
	}
}

func TestALongHistoryBetweenTwoLooksIsFollowed(t *testing.T) {
	r, first := local(t)
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(first)
	// Clocks that go wrong hide the way from a fetch by date.
	t.Setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
	for range 5 {
		r.Commit("Older than the first")
	}
	t.Setenv("GIT_COMMITTER_DATE", "2040-01-01T00:00:00Z")
	r.Write("compose.yaml", compose("web:2"))
	last := r.Commit("Newest")
	r.Push()
	b.follows(last)
	b.wants("compose.yaml", "web:2")
}

func TestABranchThatIsGoneIsReported(t *testing.T) {
	r, _ := local(t)
	r.Do("checkout", "--quiet", "-b", "live")
	id := r.Save("compose.yaml", compose("web:2"), "Live")
	b := newBench(t, Options{URL: "file://" + r.Bare, Follow: Follow{Branch: "live"}}).run()
	b.follows(id)
	r.Push("--delete", "live")
	b.refuses(ReasonRefGone, "no branch live any more", id[:12])
	b.wants("compose.yaml", "web:2")
	r.Push()
	b.follows(id)
}

func TestTagsOfARange(t *testing.T) {
	r, first := local(t)
	tag := func(name, image string) string {
		id := r.Save("compose.yaml", compose(image), name)
		r.Do("tag", "-a", "-m", name, name)
		r.Push("refs/tags/" + name)
		return id
	}
	one := tag("v1.2.0", "web:1.2.0")
	tag("v2.0.0", "web:2.0.0")
	tag("not-a-version", "web:x")
	tag("v1.9.0-rc1", "web:rc")
	b := newBench(t, Options{URL: "file://" + r.Bare, Follow: Follow{Tags: "^1.2"}}).run()
	b.follows(one)
	ten := tag("v1.10.0", "web:1.10.0")
	b.follows(ten)
	b.wants("compose.yaml", "web:1.10.0")
	if c := b.s.State().Commit; c.Ref != "v1.10.0" {
		t.Errorf("ref %s", c.Ref)
	}
	r.Do("tag", "-f", "-a", "-m", "moved", "v1.10.0", first)
	r.Push("--force", "refs/tags/v1.10.0")
	b.refuses(ReasonRewritten, "tag v1.10.0 was moved")
	r.Push("--delete", "refs/tags/v1.10.0")
	b.refuses(ReasonRefGone, "tag v1.10.0 is gone", "v1.2.0")
	b.wants("compose.yaml", "web:1.10.0")
}

func TestASingleTag(t *testing.T) {
	r, id := local(t)
	r.Do("tag", "live")
	r.Push("refs/tags/live")
	b := newBench(t, Options{URL: "file://" + r.Bare, Follow: Follow{Tag: "live"}, FollowRewrites: true}).run()
	b.follows(id)
	next := r.Save("compose.yaml", compose("web:2"), "Second")
	b.follows(id)
	r.Do("tag", "-f", "live")
	r.Push("--force", "refs/tags/live")
	b.follows(next)
}

func TestACommitThatIsNotTrustedIsRefused(t *testing.T) {
	r, first := local(t)
	trust := map[string]bool{"First": true}
	o := Options{URL: "file://" + r.Bare, Verify: func(_ context.Context, s Signed) (string, error) {
		_, subject, _ := strings.Cut(string(s.Commit), "\n\n")
		if !trust[strings.TrimSpace(subject)] {
			return "", errors.New("it is not signed")
		}
		return "ada", nil
	}}
	b := newBench(t, o).run()
	b.follows(first)
	if b.s.State().Commit.Signer != "ada" {
		t.Errorf("signer %+v", b.s.State().Commit)
	}
	second := r.Save("compose.yaml", compose("web:2"), "Second")
	b.refuses(ReasonUntrusted, "not signed", second[:12], "Ada")
	b.wants("compose.yaml", "web:1")
	trust["Second"] = true
	b.follows(second)
}

func TestWhatAnAttackerPushes(t *testing.T) {
	r, first := local(t)
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(first)

	mark := filepath.Join(t.TempDir(), "ran")
	r.Write(".gitattributes", "* filter=evil diff=evil\n*.yaml text eol=crlf ident\n")
	r.Write(".git-hooks/post-checkout", "#!/bin/sh\ntouch "+mark+"\n")
	r.Write(".lfsconfig", "[lfs]\n\turl = https://evil.example.com\n")
	r.Write(".gitmodules", "[submodule \"m\"]\n\tpath = m\n\turl = ext::sh -c touch% "+mark+"\n")
	if err := os.Symlink("/etc/passwd", r.Path("secrets.env")); err != nil {
		t.Fatal(err)
	}
	r.Write("compose.yaml", strings.Replace(compose("web:2"), "image:", "env_file: [secrets.env, m/x.env, ../../../../../../etc/hostname]\n    image:", 1))
	r.Do("add", "--all")
	r.Do("update-index", "--add", "--cacheinfo", "160000,"+first+",m")
	r.Do("commit", "--quiet", "-m", "Evil")
	id := r.Do("rev-parse", "HEAD")
	r.Push()
	b.follows(id)
	u := b.last("compose.yaml")
	if u.Err == nil {
		t.Fatal("it was read")
	}
	for _, word := range []string{"secrets.env", "m/x.env", "hostname", "compose.yaml:3"} {
		if !strings.Contains(u.Err.Error(), word) {
			t.Errorf("%q does not name %s", u.Err, word)
		}
	}
	if strings.Contains(u.Err.Error(), "root:") {
		t.Errorf("%q tells what it must not", u.Err)
	}
	if _, err := os.Lstat(mark); err == nil {
		t.Error("something of the repository was run")
	}
	root := filepath.Join(b.s.revs(), id, "ops")
	if _, err := os.Lstat(filepath.Join(root, "secrets.env")); err == nil {
		t.Error("the link was written")
	}

	link := r.Path("compose.yaml")
	if err := errors.Join(os.Remove(link), os.Symlink("/etc/passwd", link)); err != nil {
		t.Fatal(err)
	}
	r.Commit("The file itself is a link")
	r.Push()
	b.refuses(ReasonNothing, "symbolic link")
}

func TestFilesOfTheRepositoryCannotBeMounted(t *testing.T) {
	r, _ := local(t)
	r.Write("nginx.conf", "x")
	id := r.Save("compose.yaml", strings.Replace(compose("web:2"), "image:", "volumes: [./nginx.conf:/etc/nginx.conf:ro]\n    image:", 1), "Mounts")
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(id)
	if u := b.last("compose.yaml"); u.Err == nil || !strings.Contains(u.Err.Error(), "goes away with the next commit") {
		t.Errorf("%v", u.Err)
	}
}

func TestATreeWithNamesThatLeadOut(t *testing.T) {
	id := strings.Repeat("\x01", 20)
	for _, name := range []string{"..", ".", "", "a/b"} {
		if _, err := parseTree([]byte("100644 "+name+"\x00"+id), 20); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if _, err := parseTree([]byte("100644 x\x00short"), 20); err == nil {
		t.Error("a cut tree was taken")
	}
}

func TestSeveralProjectsOfARepository(t *testing.T) {
	r, _ := local(t)
	r.Do("rm", "-q", "compose.yaml")
	for _, name := range []string{"a", "b"} {
		r.Write("apps/"+name+"/compose.yaml", compose(name+":1"))
		r.Write("apps/"+name+"/README.md", "no project")
	}
	r.Write("apps/a/compose.override.yaml", "services:\n  web:\n    env_file: [more/one.env]\n    environment: {OVER: ridden}\n")
	r.Write("apps/a/more/one.env", "ONE=1\n")
	r.Write("apps/b/.env", "COMPOSE_PROJECT_NAME=bee\n")
	r.Write("apps/notes/README.md", "nothing")
	r.Write("single/c.yaml", "name: sea\n"+compose("c:1"))
	r.Write("single/c.override.yaml", "services: {}\n")
	id := r.Commit("Many")
	r.Push()
	b := newBench(t, Options{URL: "file://" + r.Bare, Paths: []string{"apps/*", "single/*.yaml"}}).run()
	b.follows(id)
	if got, want := b.parts(), []string{"apps/a/compose.yaml", "apps/b/compose.yaml", "single/c.yaml"}; !slices.Equal(got, want) {
		t.Fatalf("parts %v, want %v", got, want)
	}
	a := b.last("apps/a/compose.yaml").Project
	if env := a.Services[0].Container.Environment; a.Name != "a" || env["OVER"] != "ridden" || env["ONE"] != "1" {
		t.Errorf("a is %s with %v", a.Name, env)
	}
	if p := b.last("apps/b/compose.yaml").Project; p.Name != "bee" {
		t.Errorf("b is called %s", p.Name)
	}
	if p := b.last("single/c.yaml").Project; p.Name != "sea" {
		t.Errorf("c is called %s", p.Name)
	}
	r.Write("apps/a/compose.yaml", "services: [broken]\n")
	r.Write("apps/b/compose.yaml", compose("b:2"))
	r.Do("rm", "-rq", "single")
	r.Write("single/c.yaml", "name: sea\n"+compose("c:2"))
	r.Commit("One is broken")
	r.Push()
	if err := b.sync(); err != nil {
		t.Fatal(err)
	}
	if u := b.last("apps/a/compose.yaml"); u.Err == nil || !strings.Contains(u.Err.Error(), "apps/a/compose.yaml:1") {
		t.Errorf("a: %v", u.Err)
	}
	b.wants("apps/b/compose.yaml", "b:2")
	b.wants("single/c.yaml", "c:2")
}

func TestAPathThatMatchesNothingChangesNothing(t *testing.T) {
	r, first := local(t)
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(first)
	r.Do("rm", "-q", "compose.yaml")
	r.Commit("All gone")
	r.Push()
	b.refuses(ReasonNothing, "matches no Compose file")
	if got := b.parts(); len(got) != 1 {
		t.Errorf("parts %v", got)
	}
}

func TestARestartWithoutANetworkGoesOn(t *testing.T) {
	r, id := local(t)
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(id)
	b.stop()
	b.said = nil
	if err := os.Rename(r.Bare, r.Bare+".away"); err != nil {
		t.Fatal(err)
	}
	b.run()
	if err := b.sync(); err == nil || faultOf(err).Reason != ReasonNoRepository {
		t.Errorf("sync: %v", err)
	}
	b.at(id)
	b.wants("compose.yaml", "web:1")
	if len(b.parts()) != 1 {
		t.Error("the reading was not whole")
	}
}

func TestWhatAKilledProcessLeft(t *testing.T) {
	r, first := local(t)
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	b.follows(first)
	b.stop()
	half := filepath.Join(b.opts.Folder, "revs", scratchPrefix+"123")
	left := filepath.Join(b.opts.Folder, cachePrefix+"456")
	for _, dir := range []string{half, left} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		filepath.Join(half, "compose.yaml"): "services:", filepath.Join(left, "shallow.lock"): "",
		filepath.Join(b.opts.Folder, keptFile+".new"): "{",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := r.Save("compose.yaml", compose("web:2"), "Second")
	b.run()
	b.follows(second)
	for _, dir := range []string{half, left} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	b.stop()
	if err := os.WriteFile(filepath.Join(b.opts.Folder, keptFile), []byte("{\"comm"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.follows(second)
	b.stop()
	if err := os.RemoveAll(filepath.Join(b.opts.Folder, "revs", second)); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.follows(second)
	b.wants("compose.yaml", "web:2")
}

func TestExportsAreFewAndTheirFilesAreThoseThatAreRead(t *testing.T) {
	r, _ := local(t)
	r.Write("src/large.bin", strings.Repeat("x", 1<<20))
	r.Write("src/main.go", "package main")
	b := newBench(t, Options{URL: "file://" + r.Bare}).run()
	for _, image := range []string{"web:2", "web:3", "web:4", "web:5", "web:6"} {
		b.follows(r.Save("compose.yaml", compose(image), image))
	}
	exports, err := os.ReadDir(b.s.revs())
	if err != nil || len(exports) != keptExports+1 {
		t.Errorf("%d exports, %v", len(exports), err)
	}
	files, err := os.ReadDir(filepath.Join(b.s.revs(), b.s.State().Commit.Commit, "ops"))
	if err != nil || len(files) != 1 {
		t.Errorf("exported %v, %v", files, err)
	}
}

func TestAFileBesideTheRepositoryIsWatched(t *testing.T) {
	r, _ := local(t)
	outside := filepath.Join(t.TempDir(), "web.env")
	write := func(text string) {
		if err := os.WriteFile(outside, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("KEY=one\n")
	id := r.Save("compose.yaml", strings.Replace(compose("web:1"), "image:", "env_file: ["+outside+"]\n    image:", 1), "Outside")
	b := newBench(t, Options{URL: "file://" + r.Bare, Load: func(ctx context.Context, o spec.Options) (*spec.Project, error) {
		o.Policy.AllowOutside = []string{filepath.Dir(outside)}
		return spec.Load(ctx, o)
	}}).run()
	key := func() string { return b.last("compose.yaml").Project.Services[0].Container.Environment["KEY"] }
	b.follows(id)
	if key() != "one" {
		t.Fatalf("KEY=%s", key())
	}
	write("KEY=another\n")
	b.follows(id)
	if key() != "another" {
		t.Errorf("KEY=%s", key())
	}
}
