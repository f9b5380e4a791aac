package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal/controller/api"
	"teal/deploy/docker"
	"teal/reconcile"
	"teal/spec"
	"teal/store"
)

// removal is what down is to remove.
type removal struct {
	project string
	yes     bool
	volumes bool
	id      string
	docker  string
	config  string
	placing placing
	proxy   string
	nginx   nginxSettings
	timeout time.Duration
}

func (p *program) downVerb() *cobra.Command {
	var r removal
	c := &cobra.Command{
		Use:   "down [project]",
		Short: "Remove what a project, or the controller, runs",
		Long: `While the controller runs: gives a project up (or all projects) and waits until
nothing of it is left. The controller and its proxy go on.

While it does not run: takes Teal off the host, or all hosts: every container and
network of this controller, its proxy included; an nginx of yours serves nothing
of Teal any more. Its records are moved aside.

Named volumes, and so their data, stay unless --volumes is given.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r.project = first(args)
			if err := p.fill(c.Flags(), &r.config); err != nil {
				return err
			}
			if err := r.placing.read(); err != nil {
				return err
			}
			return p.down(c.Context(), r)
		},
	}
	c.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&r.volumes, "volumes", false, "remove named volumes too, when the controller does not run")
	c.Flags().StringVar(&r.id, "controller", "", "`id` of the controller (default: made from the state folder)")
	c.Flags().StringVar(&r.docker, "docker", "", "`address` of the Docker Engine (default: DOCKER_HOST, or the local socket)")
	c.Flags().StringVarP(&r.config, "config", "c", "", "file with settings (TEAL_CONFIG), when the controller does not run")
	r.placing.flags(c.Flags())
	c.Flags().StringVar(&r.proxy, "proxy", proxyEmbedded, "the `driver` of the proxy: embedded or nginx")
	r.nginx.flags(c.Flags())
	c.Flags().DurationVar(&r.timeout, "timeout", 5*time.Minute, "longest wait, 0 for none")
	return c
}

func (p *program) down(ctx context.Context, r removal) error {
	client := p.dial()
	defer client.Close()
	list, err := client.Status(ctx, spec.Name{})
	switch {
	case err == nil:
		return p.removeProjects(ctx, client, list, r)
	case !errors.Is(err, api.ErrUnreachable), errors.Is(err, fs.ErrPermission), p.serverURL() != "":
		return err // without a controller, only the host it was on can be cleared
	case r.project != "":
		f := p.unreachable(err)
		f.hint = "one project is removed by a running controller; to remove everything without one: teal down"
		return f
	}
	return p.takeOff(ctx, r)
}

// removeProjects asks the controller, and waits until nothing is left.
func (p *program) removeProjects(ctx context.Context, c *api.Client, list api.StatusList, r removal) error {
	if r.volumes {
		return badInput("stop teal run, then: teal down --volumes", "volumes are only removed while the controller does not run")
	}
	projects := projectsOf(list.Apps)
	if r.project != "" {
		if !slices.Contains(projects, r.project) {
			return unknownProject(projects, r.project)
		}
		projects = []string{r.project}
	}
	if len(projects) == 0 {
		return p.print("nothing is wanted, so there is nothing to remove; the controller and its proxy go on\n")
	}
	if err := p.confirm(r, "remove all containers of "+strings.Join(projects, ", ")); err != nil {
		return err
	}
	for _, name := range projects {
		if _, err := c.Remove(ctx, api.RemoveRequest{Project: name, By: p.by()}); err != nil {
			return watched(err)
		}
	}
	concerns := func(app spec.Name) bool { return slices.Contains(projects, app.Project) }
	err := p.await(ctx, c, wait{timeout: r.timeout, apps: concerns, reached: func(l api.StatusList) (bool, error) {
		return len(only(l, concerns).Apps) == 0, nil
	}})
	if err != nil {
		return err
	}
	return p.print(fmt.Sprintf("✔ removed %s; the controller and its proxy go on\n", strings.Join(projects, ", ")))
}

// watched adds how to be rid of a project that a file asks for.
func watched(err error) error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Reason != api.ReasonWatched {
		return err
	}
	return badInput("stop teal run, then: teal down   or take the services out of the file, with --prune", "%s", e.Message)
}

func projectsOf(apps []reconcile.Status) []string {
	var out []string
	for _, s := range apps {
		out = append(out, s.App.Project)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func unknownProject(all []string, typed string) error {
	f := badInput("teal status", "no project is called %q", typed)
	if near := nearest(typed, all); near != "" {
		f.hint = "teal down " + near
	}
	return f
}

// takeOff removes everything of a controller that does not run.
func (p *program) takeOff(ctx context.Context, r removal) error {
	id, err := p.controllerID(r.id)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("no controller answers: remove all containers and networks of controller %s, and its proxy", id)
	if r.volumes {
		what += ", AND ITS VOLUMES WITH THEIR DATA"
	}
	if err := p.confirm(r, what); err != nil {
		return err
	}
	if r.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		ctx = limited
	}
	// The lock comes first: a controller that runs would make everything anew.
	kept, err := store.MoveAside(filepath.Join(p.statePath(), databaseFile))
	var locked *store.LockedError
	switch {
	case errors.As(err, &locked):
		return &failure{code: exitFailed, message: err.Error(), hint: stopHolder(locked)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := p.removeParts(ctx, r, docker.Options{Host: r.docker, ControllerID: id, Point: failpoint}); err != nil {
		return fmt.Errorf("remove what controller %s runs: %w", id, err)
	}
	where := "the host"
	if len(r.placing.hosts) > 0 {
		where = strings.Join(r.placing.names(), ", ")
	}
	text := fmt.Sprintf("✔ nothing of controller %s is left on %s\n", id, where)
	if kept != "" {
		text += fmt.Sprintf("  its records were kept as %s\n", kept)
	}
	return p.print(text)
}

// removeParts removes containers, networks and the proxy.
func (p *program) removeParts(ctx context.Context, r removal, template docker.Options) (err error) {
	d, err := r.placing.openEngines(template, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	state, err := filepath.Abs(p.statePath())
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	if r.proxy == proxyNginx && (r.nginx.service || r.nginx.container != "") {
		site := nginxSite{nginx: r.nginx, placing: &r.placing, dockers: d, state: state, log: slog.New(slog.DiscardHandler)}
		if err := site.leave(ctx); err != nil {
			return err
		}
	}
	if err := r.placing.removeAll(ctx, d, r.volumes); err != nil {
		return err
	}
	// Its table must not be served again.
	return errors.Join(os.RemoveAll(filepath.Join(state, proxyFolder)), os.RemoveAll(filepath.Join(state, nginxFolder)))
}

// stopHolder says how to stop who has the records open. Its process id is not
// known here if it runs in a container, or this program does.
func stopHolder(locked *store.LockedError) string {
	if locked.PID > 0 {
		return fmt.Sprintf("stop that controller first: kill %d", locked.PID)
	}
	return "stop that controller first, where it was started (in a container?); to find it, on the host: sudo fuser -v " + locked.Path
}

// confirm asks, unless --yes was given.
func (p *program) confirm(r removal, what string) error {
	if r.yes {
		return nil
	}
	if _, err := fmt.Fprintf(p.Stderr, "%s? [y/N] ", what); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	answer, err := bufio.NewReader(p.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	if err != nil { // nobody is there to answer
		return badInput("teal down --yes", "nothing was removed: the question was not answered")
	}
	return &failure{code: exitFailed, message: "nothing was removed"}
}
