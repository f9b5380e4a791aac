package commitstatus

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// site is what a reporter sees of a controller.
type site struct {
	t        *testing.T
	forge    *forge
	file     string
	mu       sync.Mutex
	commit   string // of project shop
	app      reconcile.Status
	gone     bool
	refused  []Refused
	history  []reconcile.Rollout
	events   []reconcile.Event
	changed  chan struct{}
	services map[string]*Service
	stop     func()
}

func newSite(t *testing.T, kind string) *site {
	f := newForge(t, kind)
	s := &site{t: t, forge: f, file: filepath.Join(t.TempDir(), "statuses.json"), commit: hash("a"), services: map[string]*Service{"shop": service(t, f)}}
	s.app = reconcile.Status{App: spec.Name{Project: "shop", Service: "web"}, Kind: "app", Image: "example.com/web:1", Generation: 1}
	s.run()
	t.Cleanup(func() { s.stop() })
	return s
}

func origin(commit string) *spec.Origin {
	return &spec.Origin{Source: "shop", Ref: "main", Commit: commit}
}

// run starts a reporter, which reads what one before it wrote down.
func (s *site) run() {
	s.changed = make(chan struct{}, 1)
	r := New(Options{
		Prefix: "teal", Services: s.services, File: s.file, Logger: slog.New(slog.DiscardHandler),
		Status: func(context.Context) ([]reconcile.Status, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.gone {
				return nil, nil
			}
			return []reconcile.Status{s.app}, nil
		},
		Projects: func() ([]spec.Project, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return []spec.Project{{Name: "shop", Source: spec.Source{Origin: origin(s.commit)}}, {Name: "file"}}, nil
		},
		History: func(spec.Name, int) ([]reconcile.Rollout, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return slices.Clone(s.history), nil
		},
		Refused:   func() []Refused { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.refused) },
		Subscribe: func(context.Context) <-chan struct{} { return s.changed },
		Note: func(events ...reconcile.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, events...)
		},
		Pauses: Pauses{Quiet: time.Millisecond, First: 5 * time.Millisecond, Longest: 20 * time.Millisecond, SetUp: 10 * time.Millisecond},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	s.stop = func() { cancel(); wg.Wait() }
}

// is changes what is seen, and says so.
func (s *site) is(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// says waits until exactly these statuses were written.
func (s *site) says(want ...string) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !slices.Equal(s.forge.said(), want) {
		if time.Now().After(deadline) {
			s.t.Fatalf("said\n%s\nwant\n%s", strings.Join(s.forge.said(), "\n"), strings.Join(want, "\n"))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// staysSo lets a few looks pass and wants nothing more to be written.
func (s *site) staysSo() {
	s.t.Helper()
	want := s.forge.said()
	for range 5 {
		s.is(func() {})
		time.Sleep(10 * time.Millisecond)
	}
	s.says(want...)
}

func (s *site) serves() {
	s.app.Observed, s.app.Phase, s.app.Rollout, s.app.Hold, s.app.Override = s.app.Generation, reconcile.Idle, "", nil, nil
	s.app.Synced, s.app.Serving = reconcile.Condition{OK: true}, reconcile.Condition{OK: true}
	s.app.Colours = []reconcile.ColourStatus{{Role: "stable", Image: s.app.Image}}
}

func (s *site) wants(commit, image string) {
	s.commit, s.app.Image = hash(commit), "example.com/"+image
	s.app.Generation++
	s.app.Synced, s.app.Rollout = reconcile.Condition{}, fmt.Sprint("r-", s.app.Generation)
}

func (s *site) held() {
	s.app.Observed, s.app.Rollout = s.app.Generation, ""
	s.app.Hold = &reconcile.Hold{Generation: s.app.Generation, Reason: reconcile.ReasonUnhealthy, Message: "not ready after 2m"}
}

func TestFromACommitToItsResult(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea"} {
		t.Run(kind, func(t *testing.T) {
			failed := map[string]string{"github": "failure", "gitlab": "failed", "gitea": "failure"}[kind]
			s := newSite(t, kind)
			want := []string{"aa teal/shop/web pending: web:1 is being rolled out"}
			s.says(want...)
			s.is(func() { s.serves() })
			want = append(want, "aa teal/shop/web success: serves web:1")
			s.says(want...)
			s.is(func() { s.app.Serving.OK = false }) // a container restarts: no news
			s.staysSo()

			s.is(func() { s.app.Serving.OK = true; s.wants("b", "web:2") })
			want = append(want, "bb teal/shop/web pending: web:2 is being rolled out")
			s.says(want...)
			s.is(s.held)
			want = append(want, "bb teal/shop/web "+failed+": Unhealthy: not ready after 2m; web:1 serves")
			s.says(want...)
			s.staysSo()

			s.is(func() { s.app.Hold, s.app.Rollout = nil, "r-9" }) // teal retry
			want = append(want, "bb teal/shop/web pending: web:2 is being rolled out")
			s.says(want...)
			s.is(s.serves)
			want = append(want, "bb teal/shop/web success: serves web:2")
			s.says(want...)

			s.is(func() { // teal undo
				s.app.Override = &reconcile.Override{Generation: s.app.Generation, By: "ann"}
				s.app.Synced.OK, s.app.Colours[0].Image = false, "example.com/web:1"
			})
			want = append(want, "bb teal/shop/web "+failed+": undone by ann; web:1 serves")
			s.says(want...)
			s.staysSo()
		})
	}
}

func TestANewerCommitSettlesTheOneBefore(t *testing.T) {
	s := newSite(t, "github")
	want := []string{"aa teal/shop/web pending: web:1 is being rolled out"}
	s.says(want...)
	s.is(func() { s.wants("b", "web:2") })
	want = append(want, "aa teal/shop/web error: superseded by bbbbbbbb", "bb teal/shop/web pending: web:2 is being rolled out")
	s.says(want...)
	s.is(func() { s.commit = hash("c") }) // which changes another app
	want = append(want, "cc teal/shop/web pending: web:2 is being rolled out")
	s.says(want...)
	s.is(s.serves)
	want = append(want, "bb teal/shop/web success: serves web:2", "cc teal/shop/web success: serves web:2")
	s.says(want...)
}

func TestWhatHappenedWhileNobodyLooked(t *testing.T) {
	s := newSite(t, "gitea")
	want := []string{"aa teal/shop/web pending: web:1 is being rolled out"}
	s.says(want...)
	s.stop() // killed
	s.is(func() {
		s.history = []reconcile.Rollout{
			{Generation: 2, Result: reconcile.Succeeded},
			{Generation: 1, Result: reconcile.RolledBack, Failure: &reconcile.Failure{Reason: reconcile.ReasonBakeFailed, Message: "9 % failed"}},
		}
		s.wants("b", "web:2")
		s.serves()
	})
	s.run()
	want = append(want, "aa teal/shop/web failure: BakeFailed: 9 % failed", "bb teal/shop/web success: serves web:2")
	s.says(want...)
	s.stop()
	s.run()
	s.staysSo() // a restart writes nothing twice
}

func TestARefusedFileIsAFailureOfItsCommit(t *testing.T) {
	s := newSite(t, "github")
	s.is(func() {
		s.serves()
		s.refused = []Refused{{Origin: *origin(hash("f")), Project: "shop", Words: "compose.yaml:3: services.web.imagee: unknown key"}}
	})
	deadline := time.Now().Add(20 * time.Second)
	for !slices.Contains(s.forge.said(), "ff teal/shop failure: refused: compose.yaml:3: services.web.imagee: unknown key") {
		if time.Now().After(deadline) {
			t.Fatal(s.forge.said())
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.staysSo()
}

func TestAnAppThatIsGone(t *testing.T) {
	s := newSite(t, "github")
	s.says("aa teal/shop/web pending: web:1 is being rolled out")
	s.is(func() { s.gone = true })
	s.says("aa teal/shop/web pending: web:1 is being rolled out", "aa teal/shop/web error: no longer wanted")
	s.staysSo()
}

func TestAHostThatIsAwayIsToldOfOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply func(asked int, w http.ResponseWriter) bool
		words string
	}{
		{"down", func(asked int, w http.ResponseWriter) bool {
			if asked < 8 {
				http.Error(w, "down", http.StatusBadGateway)
			}
			return asked < 8
		}, "answered 502"},
		{"token", func(asked int, w http.ResponseWriter) bool {
			if asked < 5 {
				http.Error(w, "Bad credentials "+token, http.StatusUnauthorized)
			}
			return asked < 5
		}, "answered 401 Unauthorized: Bad credentials …"},
		{"limit", func(asked int, w http.ResponseWriter) bool {
			if asked < 2 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusForbidden)
			}
			return asked < 2
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, "github")
			s.stop()
			s.forge.mu.Lock()
			s.forge.got, s.forge.asked, s.forge.reply = nil, 0, c.reply
			s.forge.mu.Unlock()
			if err := os.RemoveAll(s.file); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			s.run()
			s.says("aa teal/shop/web pending: web:1 is being rolled out")
			if c.name == "limit" && time.Since(began) < 900*time.Millisecond {
				t.Errorf("asked again after %s", time.Since(began))
			}
			s.staysSo()
			var got []string
			for _, e := range s.events {
				got = append(got, string(e.Reason)+" "+e.Message)
			}
			switch {
			case c.words == "" && len(got) == 0:
			case len(got) != 2 || !strings.Contains(got[0], c.words) || !strings.HasPrefix(got[0], "StatusFailed source shop") || !strings.HasPrefix(got[1], "StatusBack") || strings.Contains(got[0], token):
				t.Errorf("events %q", got)
			}
		})
	}
}

func TestHowLongAHostIsLeftAlone(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{}, 0},
		{http.Header{"Retry-After": {"60"}}, time.Minute},
		{http.Header{"Retry-After": {"-60"}}, 0},
		{http.Header{"Retry-After": {"999999999"}}, longestPatience},
		{http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1000600"}}, 10 * time.Minute},
		{http.Header{"Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"1000600"}}, 10 * time.Minute},
		{http.Header{"X-Ratelimit-Remaining": {"7"}, "X-Ratelimit-Reset": {"1000600"}}, 0},
	} {
		if got := patience(c.header, now); got != c.want {
			t.Errorf("%v: %s, want %s", c.header, got, c.want)
		}
	}
}
