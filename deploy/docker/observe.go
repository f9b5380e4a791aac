package docker

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"teal/reconcile"
	"teal/spec"
)

// inspections bounds how many containers are looked at at once.
const inspections = 8

// Observe returns the containers of app that are ours by label and by name, the
// adopted ones of look that are on this host, and the newest test. An error means
// that the engine did not answer.
func (e *Engine) Observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	e.namesakes.remember(app, look.Adopted)
	out, err := e.observe(ctx, app, look)
	if err != nil {
		return reconcile.Seen{}, e.onHost(fmt.Errorf("observe %s: %w", app, err))
	}
	return out, nil
}

func (e *Engine) observe(ctx context.Context, app spec.Name, look reconcile.Look) (reconcile.Seen, error) {
	list, err := e.list(ctx, filters.Arg("label", spec.LabelProject+"="+app.Project), filters.Arg("label", spec.LabelService+"="+app.Service))
	if err != nil {
		return reconcile.Seen{}, err
	}
	found := make([]*container.InspectResponse, len(list))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	for i, summary := range list {
		group.Go(func() error {
			inspected, err := e.inspect(inner, summary.ID)
			if errdefs.IsNotFound(err) {
				return nil // removed since it was listed
			}
			found[i] = &inspected
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return reconcile.Seen{}, err
	}
	foreign, err := e.adopted(ctx, look.Adopted)
	if err != nil {
		return reconcile.Seen{}, err
	}
	out := e.seen(found)
	out.Containers = append(out.Containers, foreign...)
	slices.SortFunc(out.Containers, func(a, b reconcile.Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// seen sorts what was found into replicas and the test. The engine lists the
// newest container first, so the first test is the newest.
func (e *Engine) seen(found []*container.InspectResponse) reconcile.Seen {
	var out reconcile.Seen
	for _, inspected := range found {
		if inspected == nil {
			continue
		}
		id, err := identifyNamed(inspected.Name, inspected.Config.Labels)
		if err != nil {
			e.warnOnce(inspected.ID, inspected.Name, err)
			continue
		}
		c := e.observed(id, *inspected)
		switch {
		case id.Role == spec.RoleReplica:
			out.Containers = append(out.Containers, c)
		case id.Role == spec.RoleTest && out.Test == nil:
			out.Test = &c
		}
	}
	return out
}

// observed puts an inspected container into the planner's words.
func (e *Engine) observed(id identity, c container.InspectResponse) reconcile.Container {
	out := e.condition(c)
	out.Colour, out.Replica, out.Revision = id.Colour, id.Replica, id.Revision
	out.Generation, out.Rollout = id.Generation, id.Rollout
	out.Image = cmp.Or(id.image, c.Config.Image)
	out.Address, out.Reach = e.address(id, c)
	return out
}

// condition is what there is to say of any container.
func (e *Engine) condition(c container.InspectResponse) reconcile.Container {
	out := reconcile.Container{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Host: e.name,
		State:     reconcile.ContainerState(c.State.Status),
		ExitCode:  c.State.ExitCode,
		OOMKilled: c.State.OOMKilled,
		Restarts:  c.RestartCount,
		StartedAt: engineTime(c.State.StartedAt),
	}
	if h := c.State.Health; h != nil && h.Status != container.NoHealthcheck {
		out.Health = reconcile.EngineHealth(h.Status)
	}
	return out
}

// address is where the proxy reaches a routed container, and reach where each
// of its published ports is: both are known whether it runs or not. The container
// itself tells, since the host may have been configured otherwise when it was made.
func (e *Engine) address(id identity, c container.InspectResponse) (address string, reach map[int]string) {
	if id.Port == 0 {
		return "", nil
	}
	for port := range c.HostConfig.PortBindings {
		if at := boundTo(c, port.Int()); at != "" && port.Proto() == "tcp" {
			if reach == nil {
				reach = map[int]string{}
			}
			reach[port.Int()] = at
		}
	}
	if at, ok := reach[id.Port]; ok {
		return at, reach
	}
	return e.ingressAddress(id, c), reach
}

func (e *Engine) ingressAddress(id identity, c container.InspectResponse) string {
	if c.NetworkSettings == nil {
		return ""
	}
	endpoint := c.NetworkSettings.Networks[e.ingress.Name]
	if endpoint == nil {
		return ""
	}
	ip := endpoint.IPAddress
	if endpoint.IPAMConfig != nil && endpoint.IPAMConfig.IPv4Address != "" {
		ip = endpoint.IPAMConfig.IPv4Address
	}
	if ip == "" {
		return ""
	}
	return net.JoinHostPort(ip, strconv.Itoa(id.Port))
}

// engineTime reads a time of the engine. What never happened is the year 1
// there, and the zero time here.
func engineTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// Apps lists every app and dependency that has replicas of this controller,
// running or not, with the highest generation on their labels.
func (e *Engine) Apps(ctx context.Context) (map[spec.Name]int64, error) {
	list, err := e.list(ctx, filters.Arg("label", spec.LabelRole+"="+spec.RoleReplica))
	if err != nil {
		return nil, e.onHost(fmt.Errorf("list apps: %w", err))
	}
	out := map[spec.Name]int64{}
	for _, c := range list {
		name := ""
		if len(c.Names) > 0 {
			name = c.Names[0]
		}
		id, err := identifyNamed(name, c.Labels)
		if err != nil {
			e.warnOnce(c.ID, name, err)
			continue
		}
		out[id.Name] = max(out[id.Name], id.Generation)
	}
	return out, nil
}

// list returns all containers of this controller that by selects.
func (e *Engine) list(ctx context.Context, by ...filters.KeyValuePair) ([]container.Summary, error) {
	args := filters.NewArgs(append(by, filters.Arg("label", spec.LabelController+"="+e.controller))...)
	return ask(ctx, e, e.limits.Call, func(ctx context.Context, a dockerAPI) ([]container.Summary, error) {
		return a.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	})
}
