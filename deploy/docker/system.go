package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/system"
)

// SystemState is what an engine says of its machine.
type SystemState struct {
	Clock  time.Time // when it answered, by its own clock
	Folder string    // where it keeps images and containers
	// LiveRestore: containers go on while the engine is away.
	LiveRestore bool
}

// LookAtSystem asks the engine about its machine.
func (e *Engine) LookAtSystem(ctx context.Context) (SystemState, error) {
	info, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (system.Info, error) { return a.Info(ctx) })
	if err != nil {
		return SystemState{}, e.onHost(fmt.Errorf("ask the engine about its machine: %w", err))
	}
	clock, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return SystemState{}, e.onHost(fmt.Errorf("read the engine's clock: %w", err))
	}
	return SystemState{Clock: clock, Folder: info.DockerRootDir, LiveRestore: info.LiveRestoreEnabled}, nil
}
