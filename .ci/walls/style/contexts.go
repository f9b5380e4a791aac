package style

import (
	"context"
	"log/slog"
)

// Kept keeps a context.
type Kept struct {
	ctx context.Context // want containedctx
}

// Get uses what was kept.
func (k Kept) Get() context.Context { return k.ctx }

// Late takes its context second.
func Late(_ int, ctx context.Context) error { // want revive
	return wait(ctx)
}

// Fresh starts a new context instead of handing on its own.
func Fresh(ctx context.Context) error {
	if err := wait(ctx); err != nil {
		return err
	}
	return wait(context.Background()) // want contextcheck
}

// Fat nests contexts in a loop.
func Fat(ctx context.Context) error {
	for range 3 {
		ctx = context.WithValue(ctx, Kept{}, 1) // want fatcontext
	}
	return wait(ctx)
}

func wait(ctx context.Context) error { return ctx.Err() }

// Speak logs in the wrong ways.
func Speak(log *slog.Logger, text string) {
	slog.Info("global")                        // want sloglint
	log.Info(text)                             // want sloglint
	log.Info("attribute", slog.Int("port", 1)) // want sloglint
	log.Info("case", "hostPort", 1)            // want sloglint
	log.Info("good", "host_port", 1)
}
