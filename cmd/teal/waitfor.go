package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

func (p *program) waitVerb() *cobra.Command {
	var until string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait --for=synced|serving [project | project/service | service]",
		Short: "Wait until what is wanted is reached, or something serves",
		Long: `Waits until every app named is synced (what is wanted serves) or serving
(something healthy serves). A held revision ends a wait for synced at once.

Exit codes: 0 reached, 1 held, 3 not reached in time, 4 no controller.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if until != "synced" && until != "serving" {
				return badInput("teal wait --for=synced", "--for is %q, neither synced nor serving", until)
			}
			client := p.dial()
			defer client.Close()
			var app spec.Name
			err := persistFor(c.Context(), startPatience, &lined{p: p}, func() (err error) {
				if app, err = filter(c.Context(), client, first(args)); err != nil {
					return err
				}
				return looked(c.Context(), client, app)
			})
			if err != nil {
				return err
			}
			var last api.StatusList
			err = p.await(c.Context(), client, wait{filter: app, timeout: timeout, reached: func(l api.StatusList) (bool, error) {
				last = l
				return waitedFor(l, until)
			}})
			return p.tell(err, last, true)
		},
	}
	c.Flags().StringVar(&until, "for", "synced", "synced or serving")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "longest wait, 0 for none")
	return c
}

// looked waits until every watched file was looked at after now: an edit that was
// saved just before teal wait was typed is part of what is waited for. Files are
// compared every second; one that never is does not keep the wait from beginning.
func looked(ctx context.Context, client *api.Client, app spec.Name) error {
	const enough = 50 // looks, 5 s
	var since time.Time
	for range enough {
		list, err := client.Status(ctx, app)
		if err != nil {
			return err
		}
		if since.IsZero() {
			since = list.At
		}
		if !slices.ContainsFunc(list.Sources, func(s api.SourceStatus) bool { return s.Name == "" && s.Read.Before(since) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// waitedFor reports whether every app is synced, or serving.
func waitedFor(list api.StatusList, until string) (bool, error) {
	var held []string
	done := len(list.Apps) > 0
	for _, s := range list.Apps {
		if until == "serving" {
			done = done && s.Serving.OK
			continue
		}
		done = done && synced(s)
		if s.Hold != nil && s.Phase == reconcile.Idle {
			held = append(held, s.App.String())
		}
	}
	if len(held) > 0 {
		return true, &failure{code: exitFailed, message: fmt.Sprintf("held, so it cannot get there by itself: %s", strings.Join(held, ", "))}
	}
	return done, nil
}
