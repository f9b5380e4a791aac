package main

import (
	"context"
	"fmt"
	"time"

	"teal/examples/pennyway/stage"
	"teal/reconcile"
)

// teal is the new way: the controller on the bastion sees the edit of the file.
type teal struct {
	stage  *stage.Stage
	binary string
	run    *stage.Teal // nil until the first reset
	wants  string      // version in the file
}

func (t *teal) reset(ctx context.Context) error {
	if t.run != nil {
		return t.back(ctx)
	}
	var err error
	if t.run, err = t.stage.OneHost(ctx, t.binary); err != nil {
		return err
	}
	t.wants = good
	if err := t.run.Start(ctx); err != nil {
		return err
	}
	return t.settled(ctx, good)
}

// back deploys the good version again.
func (t *teal) back(ctx context.Context) error {
	if _, err := t.edit(good); err != nil {
		return err
	}
	return t.settled(ctx, good)
}

func (t *teal) edit(version string) (time.Time, error) {
	at, err := t.run.Edit("pennyway/was:"+t.wants, "pennyway/was:"+version)
	t.wants = version
	return at, err
}

func (t *teal) settled(ctx context.Context, version string) error {
	_, err := t.run.App(ctx, version+" serves and nothing is under way", func(a reconcile.Status) bool {
		if !a.Serving.OK || !a.Synced.OK || a.Phase != "" {
			return false
		}
		for _, c := range a.Colours {
			if c.Weight == 100 {
				return c.Image == "pennyway/was:"+version
			}
		}
		return false
	})
	return err
}

// deploy is over when nothing is under way any more, the watch after the switch
// included.
func (t *teal) deploy(ctx context.Context, version string) (time.Time, func(context.Context) error, error) {
	began, err := t.edit(version)
	if err != nil {
		return began, nil, err
	}
	return began, func(ctx context.Context) error {
		_, err := t.run.App(ctx, version+" is through", func(a reconcile.Status) bool {
			return a.Image == "pennyway/was:"+version && a.Phase == "" && (a.Synced.OK || a.Hold != nil)
		})
		return err
	}, nil
}

// interrupt kills the controller while it verifies, and a service manager starts
// it again 5 s later.
func (t *teal) interrupt(ctx context.Context) error {
	const again = 5 * time.Second
	_, err := t.run.App(ctx, "the new version is verified", func(a reconcile.Status) bool { return a.Phase == reconcile.Verifying })
	if err != nil {
		return err
	}
	if err := t.run.Kill(ctx); err != nil {
		return err
	}
	if err := pause(ctx, again); err != nil {
		return err
	}
	return t.run.Start(ctx)
}

// The traffic moves about 4 s after the start of the container, which listens
// after 3; the watch goes on for 10 s more.
func (t *teal) relapsing(ctx context.Context) error {
	return t.stage.Release(ctx, relapse, "START_DELAY=3s", "BREAK=later=5s")
}

func (t *teal) end(ctx context.Context) error {
	if t.run == nil {
		return nil
	}
	if err := t.run.Stop(ctx); err != nil {
		return fmt.Errorf("%w: %s", err, t.run.LastWords())
	}
	return nil
}
