package git

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/controller/source"
	"teal/controller/source/git/gittest"
	"teal/spec"
)

// Variables that make the test program something else, in a process of its own.
const (
	childSource = "TEAL_GIT_SOURCE" // a source: a followed as JSON
	childServer = "TEAL_GIT_SERVER" // a server over https, which prints where it is
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childSource) != "":
		runSource()
	case os.Getenv(childServer) != "":
		testing.Init()
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "serve", F: func(t *testing.T) {
			h := gittest.StartHTTPS(t)
			out, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(out))
			<-ctx.Done()
		}}}, nil, nil)
	default:
		goleak.VerifyTestMain(m)
	}
}

// followed is what a source in a process of its own follows.
type followed struct{ URL, CA, Folder string }

// runSource follows a repository until the process is killed, and prints what is
// in force.
func runSource() {
	var c followed
	if err := json.Unmarshal([]byte(os.Getenv(childSource)), &c); err != nil {
		panic(err)
	}
	o := Options{Name: "ops", URL: c.URL, Credentials: Credentials{CA: c.CA}, Folder: c.Folder}
	o.Load = func(ctx context.Context, so spec.Options) (*spec.Project, error) { return spec.Load(ctx, so) }
	o.Interval = 100 * time.Millisecond
	s, err := NewGroup(Find(), 0).New(o)
	if err != nil {
		panic(err)
	}
	err = s.Run(context.Background(), func(u source.Update) {
		if u.All {
			fmt.Println(s.State().Commit.Commit)
		}
	})
	panic(err)
}

// child runs this program as something else.
func child(t testing.TB, variable, value string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

func kill(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed, which is not news
}

func TestKilledInTheMiddleOfAFetch(t *testing.T) {
	h := gittest.StartHTTPS(t)
	r := h.Repository(t, "ops")
	first := r.Save("compose.yaml", compose("web:1"), "First")
	o := followed{URL: h.URL + "/" + r.Name, CA: h.CA, Folder: t.TempDir()}
	value, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	until := func(commit string) *exec.Cmd {
		cmd, out := child(t, childSource, string(value))
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				kill(t, cmd)
				t.Fatalf("wait for %s: %v", commit, err)
			}
			if line == commit+"\n" {
				return cmd
			}
		}
	}
	cmd := until(first)
	inside := make(chan struct{}, 8)
	wrapped(h, func(w http.ResponseWriter, r *http.Request, git http.Handler) {
		if isPack(r) {
			w = &cutShort{w, 60} // a beginning, then silence
			defer func() {
				if recover() != nil {
					inside <- struct{}{}
					<-r.Context().Done()
				}
			}()
		}
		git.ServeHTTP(w, r)
	})
	second := r.Save("compose.yaml", compose("web:2")+"# "+string(make([]byte, 3000)), "Second")
	<-inside
	kill(t, cmd)
	left, err := filepath.Glob(filepath.Join(o.Folder, cachePrefix+"*"))
	if err != nil || len(left) == 0 {
		t.Errorf("nothing was left in the middle: %v", err)
	}
	h.Wrap.Store(nil)
	kill(t, until(second))
}

// cpu is what this process and those that it waited for have used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// BenchmarkPoll measures what one poll costs this machine beside the server, and
// what that makes of a core with 200 sources every 30 s.
func BenchmarkPoll(b *testing.B) {
	cmd, out := child(b, childServer, "1")
	defer kill(b, cmd)
	line, err := out.ReadBytes('\n')
	if err != nil {
		b.Fatal(err)
	}
	var h gittest.HTTPS
	if err := json.Unmarshal(line, &h); err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	r := gittest.New(b, h.Projects, "ops")
	r.Save("compose.yaml", compose("web:1"), "First")
	s := gittest.StartSSH(b)
	for name, c := range map[string]struct {
		url  string
		with Credentials
		kept bool
	}{
		"https":                  {h.URL + "/ops.git", Credentials{CA: h.CA}, true},
		"https, new connections": {h.URL + "/ops.git", Credentials{CA: h.CA}, false},
		"ssh":                    {s.URL + r.Bare, Credentials{Identity: s.Identity, KnownHosts: s.KnownHosts}, true},
		"ssh, new connections":   {s.URL + r.Bare, Credentials{Identity: s.Identity, KnownHosts: s.KnownHosts}, false},
		"file":                   {"file://" + r.Bare, Credentials{}, false},
	} {
		b.Run(name, func(b *testing.B) {
			group := NewGroup(Find(), 0)
			b.Cleanup(func() { _ = group.Close() })
			source, err := group.New(Options{Name: "ops", URL: c.url, Credentials: c.with, Folder: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			if err := source.prepare(); err != nil {
				b.Fatal(err)
			}
			before := cpu(b)
			for b.Loop() {
				if _, err := source.ask(context.Background()); err != nil {
					b.Fatal(err)
				}
				if !c.kept {
					_ = group.Close()
				}
			}
			each := (cpu(b) - before) / time.Duration(b.N)
			b.ReportMetric(each.Seconds()*1000, "cpu-ms/poll")
			b.ReportMetric(each.Seconds()*200/30*100, "%core/200x30s")
		})
	}
}
