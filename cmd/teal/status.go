package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
	"teal/spec"
)

func (p *program) statusVerb() *cobra.Command {
	var watch bool
	var output format
	c := &cobra.Command{
		Use:   "status [project | project/service | service]",
		Short: "Show what serves, what is wanted and what is under way",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client := p.dial()
			defer client.Close()
			app, err := filter(c.Context(), client, first(args))
			if err != nil {
				return err
			}
			list, err := client.Status(c.Context(), app)
			if err != nil {
				return err
			}
			switch {
			case watch:
				return p.watch(c.Context(), client, app, output)
			case output == formatJSON:
				return p.printJSON(output, list)
			}
			return p.print(view.Status(list, p.options(list.At)))
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "keep showing it until interrupted")
	output.flag(c)
	return c
}

// first returns the argument, or "" if there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// watch shows the status until it is interrupted, which is its good end.
func (p *program) watch(ctx context.Context, c *api.Client, app spec.Name, output format) error {
	var show progress = &paged{p: p}
	switch {
	case output == formatJSON:
		show = &streamed{p: p}
	case p.live():
		show = &drawn{p: p, screen: p.screen()}
	}
	ctx, stop := context.WithCancel(ctx)
	r := relay{news: make(chan news), done: ctx.Done()}
	ended := make(chan error, 1)
	go func() {
		defer close(r.news)
		ended <- p.persist(ctx, r, func() error { return c.FollowStatus(ctx, app, r.status) })
	}()
	err := keepShowing(show, r.news)
	stop()
	for range r.news { // wait for the follower
	}
	if followed := <-ended; err == nil && !errors.Is(followed, context.Canceled) {
		err = followed
	}
	return errors.Join(err, show.end())
}

// news is a status, or why there is none.
type news struct {
	list api.StatusList
	away error
}

// relay hands what is followed over to the goroutine that shows it.
type relay struct {
	news chan news
	done <-chan struct{}
}

func (r relay) status(l api.StatusList) error { r.send(news{list: l}); return nil }
func (r relay) lost(err error)                { r.send(news{away: err}) }
func (r relay) end() error                    { return nil }

func (r relay) send(n news) {
	select {
	case r.news <- n:
	case <-r.done:
	}
}

// keepShowing shows all news, and once a second the last status with its age,
// so that clocks go on, until there are no more.
func keepShowing(show progress, all <-chan news) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last api.StatusList
	var received time.Time
	for {
		select {
		case n, open := <-all:
			if !open {
				return nil
			}
			if n.away != nil {
				received = time.Time{}
				show.lost(n.away)
				continue
			}
			last, received = n.list, time.Now()
			if err := show.status(last); err != nil {
				return err
			}
		case <-tick.C:
			if _, ok := show.(*drawn); !ok || received.IsZero() {
				continue
			}
			aged := last
			aged.At = last.At.Add(time.Since(received))
			if err := show.status(aged); err != nil {
				return err
			}
		}
	}
}

// paged prints the tree again whenever its text changed, for pipes.
type paged struct {
	p    *program
	last string
	err  error
}

func (d *paged) status(list api.StatusList) error {
	still := d.p.options(list.At)
	text := view.Status(list, still)
	if text == d.last {
		return nil
	}
	d.last = text
	return d.p.print(text + "\n")
}

func (d *paged) lost(err error) { d.err = d.p.away(err) }
func (d *paged) end() error     { return d.err }

// streamed prints every status as a line of JSON.
type streamed struct {
	p   *program
	err error
}

func (s *streamed) status(list api.StatusList) error { return s.p.printLine(list) }
func (s *streamed) lost(err error)                   { s.err = s.p.away(err) }
func (s *streamed) end() error                       { return s.err }
