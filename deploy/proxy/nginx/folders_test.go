package nginx

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// dyingPlace is the place of a process that is killed over a file.
type dyingPlace struct {
	Place
	over string // part of its name
}

var errKilled = errors.New("killed")

func (p *dyingPlace) Write(ctx context.Context, files ...File) error {
	for _, f := range files {
		if strings.Contains(f.Name, p.over) {
			return errKilled
		}
		if err := p.Place.Write(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// What a killed process was writing is removed by the next one: configurations
// do not pile up, however often that happens.
func TestHalfAConfigurationDoesNotStay(t *testing.T) {
	servers, _ := testServers(t)
	r := startNginx(t, Options{Servers: servers})
	green := app(t, "green")
	whole := r.options.Place
	for n := range 4 {
		must(t, r.apply(uint64(2*n+1), shopRoute(app(t, "blue"), green, 0)))
		r.options.Place = &dyingPlace{whole, ".rule"}
		r.drive()
		if err := r.apply(uint64(2*n+2), shopRoute(app(t, "never"), green, 0)); !errors.Is(err, errKilled) {
			t.Fatalf("apply %d: %v", n, err)
		}
		r.options.Place = whole
		r.drive()
	}
	must(t, r.apply(100, shopRoute(app(t, "last"), green, 0)))
	if got := getFrom(t, servers.Listen[0]); got != "last" {
		t.Errorf("%q serves", got)
	}
	left, err := filepath.Glob(filepath.Join(r.dir, "teal", "conf.*"))
	must(t, err)
	if len(left) > 2 {
		t.Errorf("%d configurations are left, want the one in use and the one before: %v", len(left), left)
	}
}
