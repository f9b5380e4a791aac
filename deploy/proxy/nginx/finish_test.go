package nginx

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// losingPlace passes reloads on and loses nginx' answer.
type losingPlace struct{ Place }

func (p *losingPlace) Nginx(ctx context.Context, args ...string) (string, error) {
	out, err := p.Place.Nginx(ctx, args...)
	if slices.Contains(args, "reload") {
		return "", context.DeadlineExceeded
	}
	return out, err
}

// announced reports whether clients are told to close their connections.
func (r *running) announced() bool {
	r.t.Helper()
	_, err := os.Stat(filepath.Join(r.dir, "teal", closing))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	return err == nil
}

// A reload whose answer is lost may still come, and would cut idle connections
// that clients were not told to close: they are told until one is over.
func TestReloadWhoseAnswerIsLost(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	if v, err := askVersion(t.Context(), r.place); err != nil || v.keeps() {
		t.Logf("this nginx needs no announcement: %v", err)
		return
	}
	green, blue := app(t, "green"), app(t, "blue")
	must(t, r.apply(1, shopRoute(app(t, "first"), green, 0)))
	whole := r.options.Place
	r.options.Place = &losingPlace{whole}
	r.drive()
	if err := r.apply(2, shopRoute(blue, green, 0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("apply: %v", err)
	}
	if !r.announced() {
		t.Error("clients keep their connections although a reload may come")
	}
	r.options.Place = whole
	r.drive()
	must(t, r.apply(2, shopRoute(blue, green, 0)))
	must(t, r.driver.Prepare(t.Context()))
	if got := getFrom(t, servers.Listen[0]); got != "blue" || r.announced() {
		t.Errorf("%q serves, announced: %t", got, r.announced())
	}
}

// A process that was killed between a reload and the end of its announcement
// leaves clients told to close their connections: the next one ends that.
func TestAnnouncementOfAKilledProcessEnds(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	must(t, r.apply(1, shopRoute(app(t, "blue"), app(t, "green"), 0)))
	must(t, os.WriteFile(filepath.Join(r.dir, "teal", closing), nil, 0o644))
	r.drive()
	must(t, r.driver.Prepare(t.Context()))
	if got := getFrom(t, servers.Listen[0]); got != "blue" || r.announced() {
		t.Errorf("%q serves, announced: %t", got, r.announced())
	}
}
