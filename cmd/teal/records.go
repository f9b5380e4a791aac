package main

import (
	"context"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// rolloutID is what the ids of rollouts look like.
var rolloutID = regexp.MustCompile(`^r-[0-9]+$`)

// checkRollout refuses what cannot be the id of a rollout.
func checkRollout(id, app string) error {
	if id == "" || rolloutID.MatchString(id) {
		return nil
	}
	hint := "teal history"
	if app != "" {
		hint += " " + app
	}
	return badInput(hint, "%q is not the id of a rollout; they look like r-12", id)
}

func (p *program) historyVerb() *cobra.Command {
	var limit int
	var output format
	c := &cobra.Command{
		Use:   "history [project/service | service]",
		Short: "List finished rollouts, newest first",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 || limit > api.MaxLimit {
				return badInput("", "--limit is %d, not a number from 1 to %d", limit, api.MaxLimit)
			}
			client := p.dial()
			defer client.Close()
			s, err := find(c.Context(), client, first(args))
			if err != nil {
				return err
			}
			h, err := client.History(c.Context(), s.App, limit)
			if err != nil {
				return err
			}
			if output == formatJSON {
				return p.printJSON(output, h)
			}
			return p.print(view.History(h.Rollouts, p.options(time.Now())))
		},
	}
	c.Flags().IntVar(&limit, "limit", 20, "at most this many")
	output.flag(c)
	return c
}

// asked is what logs and events show.
type asked struct {
	tail   int
	follow bool
	output format
}

func (p *program) logsVerb() *cobra.Command {
	var a asked
	var rollout, colour string
	c := &cobra.Command{
		Use:   "logs [project/service | service]",
		Short: "Show what an app's containers wrote",
		Long: `Shows the last lines of every container of an app. For a rollout that failed and
is gone, the lines that were kept as evidence are shown.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkRollout(rollout, first(args)); err != nil {
				return err
			}
			if colour != "" && colour != string(spec.Blue) && colour != string(spec.Green) {
				return badInput("--colour blue, or --colour green", "--colour is %q, neither blue nor green", colour)
			}
			if a.tail < 0 || a.tail > api.MaxTail {
				return badInput("", "--tail is %d, not a number from 0 to %d", a.tail, api.MaxTail)
			}
			client := p.dial()
			defer client.Close()
			s, err := find(c.Context(), client, first(args))
			if err != nil {
				return err
			}
			q := api.LogQuery{App: s.App, Rollout: rollout, Colour: spec.Colour(colour), Tail: a.tail, Follow: a.follow}
			return interrupted(c.Context(), a.follow, client.Logs(c.Context(), q, p.logLine(a.output)))
		},
	}
	c.Flags().StringVar(&rollout, "rollout", "", "only of this `rollout`, r-12, running or not")
	c.Flags().StringVar(&colour, "colour", "", "only of this `colour`, blue or green")
	c.Flags().IntVar(&a.tail, "tail", 100, "last lines of each container")
	c.Flags().BoolVarP(&a.follow, "follow", "f", false, "go on showing new lines")
	a.output.flag(c)
	return c
}

// logLine prints each line as it comes.
func (p *program) logLine(output format) func(api.LogLine) error {
	o := p.options(time.Time{})
	return func(l api.LogLine) error {
		if output == formatJSON {
			return p.printLine(l)
		}
		return p.print(view.Log(l, o))
	}
}

// interrupted makes the end of something followed by ^C a good one.
func interrupted(ctx context.Context, follow bool, err error) error {
	if !follow || ctx.Err() == nil {
		return err
	}
	return nil
}

func (p *program) eventsVerb() *cobra.Command {
	var a asked
	c := &cobra.Command{
		Use:   "events [project | project/service | service]",
		Short: "Show what happened, oldest first",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if a.tail < 0 {
				return badInput("", "--tail is %d, not a number from 0", a.tail)
			}
			client := p.dial()
			defer client.Close()
			app, err := filter(c.Context(), client, first(args))
			if err != nil {
				return err
			}
			return interrupted(c.Context(), a.follow, p.events(c.Context(), client, app, a))
		},
	}
	c.Flags().IntVar(&a.tail, "tail", 50, "last events to begin with")
	c.Flags().BoolVarP(&a.follow, "follow", "f", false, "go on showing new events")
	a.output.flag(c)
	return c
}

// events shows the last events, and those to come if they are followed. With
// -o json each event is a line.
func (p *program) events(ctx context.Context, c *api.Client, app spec.Name, a asked) error {
	var kept []reconcile.Event
	q := api.EventQuery{App: app, Limit: api.MaxEvents}
	for more := true; more; {
		page, err := c.Events(ctx, q)
		if err != nil {
			return err
		}
		kept = append(kept, page.Events...)
		kept = kept[max(0, len(kept)-a.tail):]
		more = page.More && page.Last > q.After
		q.After = page.Last
	}
	if err := p.printEvents(kept, a.output); err != nil || !a.follow {
		return err
	}
	return p.persist(ctx, &lined{p: p}, func() error {
		return c.FollowEvents(ctx, q, func(page api.EventPage) error {
			q.After = page.Last
			return p.printEvents(page.Events, a.output)
		})
	})
}

func (p *program) printEvents(list []reconcile.Event, output format) error {
	o := p.options(time.Now())
	for _, e := range list {
		if output == formatJSON {
			if err := p.printLine(e); err != nil {
				return err
			}
			continue
		}
		if err := p.print(view.Event(e, o)); err != nil {
			return err
		}
	}
	return nil
}
