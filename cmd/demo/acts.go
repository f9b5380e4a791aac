package main

import (
	"context"
	"fmt"
	"time"

	"teal/reconcile"
)

// acts are what happens under load, one after the other.
func (d *demo) acts(ctx context.Context) error {
	for _, act := range []func(context.Context) error{d.update, d.breakIt, d.undo, d.killInUpdate} {
		if err := act(ctx); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// between is how long the client runs on after each act, to count what comes late.
const between = time.Second

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(between):
		return nil
	}
}

// update edits the file to v2.
func (d *demo) update(ctx context.Context) error {
	at, err := d.edit("v2")
	if err != nil {
		return err
	}
	d.out.say("saved the file with image: hello:v2")
	if err := d.traffic(ctx, "v2", at); err != nil {
		return err
	}
	_, err = d.trial.App(ctx, "v2 is stable", serving)
	return err
}

// breakIt edits the file to v3, which never becomes healthy.
func (d *demo) breakIt(ctx context.Context) error {
	at, err := d.edit("v3")
	if err != nil {
		return err
	}
	d.out.say("saved the file with image: hello:v3, which is broken")
	s, err := d.trial.App(ctx, "v3 is held", func(s reconcile.Status) bool {
		return s.Hold != nil && s.Phase == reconcile.Idle
	})
	if err != nil {
		return err
	}
	d.out.say("v3 is held, %.1f s after the edit: %s", time.Since(at).Seconds(), s.Hold.Message)
	if n := d.client.Lap()["v3"].Count; n > 0 {
		return fmt.Errorf("the broken v3 answered %d requests", n)
	}
	d.out.add("v2 served all the time: %s", s.Serving.Message)
	return nil
}

// undo goes back to v1, which served before v2.
func (d *demo) undo(ctx context.Context) error {
	at := time.Now()
	d.out.say("typed: teal undo hello/web")
	d.client.Lap()
	if _, err := d.trial.Teal(ctx, "undo", "hello/web"); err != nil {
		return err
	}
	return d.traffic(ctx, "v1", at)
}

// killInUpdate kills the controller while v4 starts, and starts it again.
func (d *demo) killInUpdate(ctx context.Context) error {
	at, err := d.edit("v4")
	if err != nil {
		return err
	}
	d.out.say("saved the file with image: hello:v4, which needs 2 s to start")
	s, err := d.trial.App(ctx, "v4 is being verified", func(s reconcile.Status) bool {
		return s.Phase == reconcile.Verifying
	})
	if err != nil {
		return err
	}
	if err := d.trial.Kill(); err != nil {
		return err
	}
	d.out.say("killed the controller with SIGKILL while v4 was %s", s.Phase)
	if err := pause(ctx); err != nil {
		return err
	}
	if err := d.trial.Start(ctx); err != nil {
		return err
	}
	d.out.say("started the controller again (pid %d); nobody tells it what to do", d.trial.PID())
	if err := d.traffic(ctx, "v4", at); err != nil {
		return err
	}
	_, err = d.trial.App(ctx, "v4 is stable", serving)
	return err
}
