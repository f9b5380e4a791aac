package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"

	"teal/reconcile"
)

// Space is how much room there is where an engine keeps its images, in bytes.
type Space struct{ Free, Total uint64 }

// Reserve is the free space that a pull must leave. The zero value is none.
type Reserve struct {
	Bytes   uint64
	Percent float64 // of the disk; whichever of the two is more
}

// least is the reserve on a disk of this size.
func (r Reserve) least(total uint64) uint64 {
	return max(r.Bytes, uint64(r.Percent/100*float64(total)))
}

// ErrSpaceUnknown says that free space cannot be asked for where an engine is.
var ErrSpaceUnknown = errors.New("the engine's free space cannot be asked for from here")

// Room tells the free space where the engine keeps its images and how much of
// it a pull must leave. [ErrSpaceUnknown] if nobody can be asked.
func (e *Engine) Room(ctx context.Context) (space Space, least uint64, err error) {
	if e.space == nil {
		return Space{}, 0, ErrSpaceUnknown
	}
	folder, err := e.dataFolder(ctx)
	if err != nil {
		return Space{}, 0, err
	}
	space, err = e.space(ctx, folder)
	if err != nil {
		return Space{}, 0, e.onHost(fmt.Errorf("%w: %w", ErrSpaceUnknown, err))
	}
	return space, e.reserve.least(space.Total), nil
}

// dataFolder is where the engine keeps its images, by its own word.
func (e *Engine) dataFolder(ctx context.Context) (string, error) {
	system, err := e.LookAtSystem(ctx)
	return system.Folder, err
}

// lowOnDisk is the failure of a pull for which there is no room, or nil. Where
// the space is not known the pull may try.
func (e *Engine) lowOnDisk(ctx context.Context, ref string) error {
	if e.reserve == (Reserve{}) {
		return nil
	}
	space, least, err := e.Room(ctx)
	if err != nil {
		e.log.Debug("free space was not known before a pull", keyImage, ref, keyError, err)
		return nil
	}
	if space.Free >= least {
		return nil
	}
	return infra(reconcile.ReasonDiskLow, "pull %s: %s of %s are free where the engine keeps its images, and a pull must leave %s; make room (docker system df, docker image prune -a), or lower --disk-reserve",
		ref, bytesOf(space.Free), bytesOf(space.Total), bytesOf(least))
}

// bytesOf is a size for people.
func bytesOf(n uint64) string { return units.BytesSize(float64(n)) }

// spaceLook is the time between two looks at the disk while a pull fills it.
const spaceLook = time.Second

// guardSpace ends a pull that eats what it must leave: give is called with the
// failure. It returns what ends the watch and waits for it.
func (e *Engine) guardSpace(ctx context.Context, ref string, give func(error)) (stop func()) {
	if e.reserve == (Reserve{}) || e.space == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(spaceLook)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := e.lowOnDisk(ctx, ref); err != nil {
				give(err)
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}
