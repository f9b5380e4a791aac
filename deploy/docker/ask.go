package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types"

	"teal/reconcile"
)

// Version asks for the engine's version and the API version that is spoken.
func (e *Engine) Version(ctx context.Context) (version, api string, err error) {
	v, err := ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) (types.Version, error) {
		v, err := a.ServerVersion(ctx)
		v.APIVersion = a.ClientVersion() // as negotiated with the first call
		return v, err
	})
	if err != nil {
		return "", "", e.onHost(fmt.Errorf("ask the engine for its version: %w", err))
	}
	return v.Version, v.APIVersion, nil
}

// Health tells the verdict of a container's own HEALTHCHECK and the output of
// its last run.
func (e *Engine) Health(ctx context.Context, id string) (status reconcile.EngineHealth, output string, err error) {
	found, err := e.inspect(ctx, id)
	if err != nil {
		return "", "", e.onHost(err)
	}
	if found.State == nil || found.State.Health == nil {
		return reconcile.HealthNone, "", nil
	}
	h := found.State.Health
	if n := len(h.Log); n > 0 && h.Log[n-1] != nil {
		output = h.Log[n-1].Output
	}
	if h.Status == "none" {
		return reconcile.HealthNone, output, nil
	}
	return reconcile.EngineHealth(h.Status), output, nil
}
