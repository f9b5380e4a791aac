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

// find returns the one app that arg means: "project/service", or "service"
// alone where it is unambiguous, or nothing where there is only one app.
func find(ctx context.Context, c *api.Client, arg string) (reconcile.Status, error) {
	list, err := c.Status(ctx, spec.Name{})
	if err != nil {
		return reconcile.Status{}, err
	}
	if arg == "" {
		return onlyApp(list.Apps)
	}
	var hits []reconcile.Status
	for _, s := range list.Apps {
		if s.App.String() == arg {
			return s, nil
		}
		if s.App.Service == arg {
			hits = append(hits, s)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return reconcile.Status{}, unknownApp(list.Apps, arg)
	}
	return reconcile.Status{}, &failure{
		code: exitBadInput, message: fmt.Sprintf("%q is the name of more than one app", arg), details: names(hits),
		hint: "say project/service",
	}
}

func onlyApp(all []reconcile.Status) (reconcile.Status, error) {
	apps := slices.DeleteFunc(slices.Clone(all), func(s reconcile.Status) bool { return s.Kind != "app" })
	switch len(apps) {
	case 0:
		return reconcile.Status{}, badInput("teal apply -f compose.yaml", "there is no app yet")
	case 1:
		return apps[0], nil
	}
	return reconcile.Status{}, &failure{
		code: exitBadInput, message: "there is more than one app: say which one is meant", details: names(apps),
	}
}

// filter returns what arg selects: everything, a project, or one app.
func filter(ctx context.Context, c *api.Client, arg string) (spec.Name, error) {
	if arg == "" {
		return spec.Name{}, nil
	}
	list, err := c.Status(ctx, spec.Name{})
	if err != nil {
		return spec.Name{}, err
	}
	if slices.ContainsFunc(list.Apps, func(s reconcile.Status) bool { return s.App.Project == arg }) {
		return spec.Name{Project: arg}, nil
	}
	s, err := find(ctx, c, arg)
	return s.App, err
}

// unknownApp names what was probably meant, or what there is.
func unknownApp(all []reconcile.Status, arg string) error {
	f := badInput("teal status", "no app is called %q", arg)
	whole := names(all)
	candidates := slices.Clone(whole)
	for _, s := range all {
		candidates = append(candidates, s.App.Service, s.App.Project)
	}
	if near := nearest(arg, candidates); near != "" {
		f.hint = "did you mean " + near + "?"
		return f
	}
	if len(all) == 0 {
		f.hint = "nothing is wanted yet: teal apply -f compose.yaml"
		return f
	}
	f.details = []string{"there is: " + strings.Join(whole, ", ")}
	return f
}

func names(list []reconcile.Status) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.App.String())
	}
	return out
}

// one returns the status of one app out of a list.
func one(list api.StatusList, app spec.Name) (reconcile.Status, bool) {
	i := slices.IndexFunc(list.Apps, func(s reconcile.Status) bool { return s.App == app })
	if i < 0 {
		return reconcile.Status{}, false
	}
	return list.Apps[i], true
}

// completeApps suggests what can be typed for an app; without a controller,
// nothing.
func (p *program) completeApps(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), time.Second)
	defer cancel()
	client := p.dial()
	defer client.Close()
	list, err := client.Status(ctx, spec.Name{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(list.Apps), cobra.ShellCompDirectiveNoFileComp
}
