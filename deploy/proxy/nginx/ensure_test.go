package nginx

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"teal/deploy/docker"
)

// startingCarrier prepares and starts whenever it is asked.
type startingCarrier struct{ Carrier }

func (startingCarrier) CarrierName(kind string) string { return kind }

func (startingCarrier) EnsureCarrier(ctx context.Context, want docker.CarrierSpec) (docker.CarrierState, error) {
	_, err := want.Prepare(ctx, "id", nil)
	return docker.CarrierState{Container: "id", Started: true}, err
}

// Those who look after nginx and those who change a route both begin with it.
func TestEnsureFromTwoSidesAtOnce(t *testing.T) {
	for range 50 {
		p := Managed(ManagedOptions{Engine: startingCarrier{}, HostFolder: filepath.Join(t.TempDir(), "nginx")})
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() {
				if _, err := p.Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
}
