package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
)

func (p *program) syncVerb() *cobra.Command {
	var timeout time.Duration
	var output format
	c := &cobra.Command{
		Use:   "sync [source]",
		Short: "Pull the sources now",
		Long: `Has the controller look at its git sources now, at one or at all of them, and
waits until what is new was accepted, or refused. It does not wait for rollouts:
teal wait does.

Exit codes: 0 done, 1 a source cannot be followed or a file was refused, 3 not
done in time, 4 no controller.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.sync(c.Context(), first(args), timeout, output)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "longest wait, 0 for none")
	output.flag(c)
	return c
}

// sync asks again until every source was looked at: a fetch may last longer than
// a request.
func (p *program) sync(ctx context.Context, name string, timeout time.Duration, output format) error {
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	client := p.dial()
	defer client.Close()
	req := api.SyncRequest{Source: name}
	for {
		out, err := client.Sync(ctx, req)
		if errors.Is(err, context.DeadlineExceeded) {
			return &failure{code: exitTimeout, message: "the sources were not looked at in time; the controller goes on", hint: "teal status"}
		}
		if err != nil {
			return err
		}
		if out.Waiting {
			req.Since = out.Since
			continue
		}
		if err := p.synced(out, output); err != nil {
			return err
		}
		return syncFailure(out.Sources)
	}
}

// synced prints how the sources stand.
func (p *program) synced(out api.SyncResult, output format) error {
	if output == formatJSON {
		return p.printJSON(output, out)
	}
	return p.print(view.Synced(out.Sources, p.options(time.Now())))
}

// syncFailure is what is wrong with the sources; nil: nothing.
func syncFailure(list []api.SourceStatus) error {
	var bad []string
	for _, s := range list {
		if !s.Valid.OK {
			bad = append(bad, s.Name)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &failure{code: exitFailed, message: fmt.Sprintf("not all is in force of: %s", strings.Join(bad, ", ")), hint: "teal status"}
}
