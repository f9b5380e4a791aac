package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller/notify"
	"teal/reconcile"
	"teal/spec"
)

// notifyFile is the name of the file in the state folder that says how far each
// target was told.
const notifyFile = "notify.json"

// notifying is who is told of events.
type notifying struct {
	texts   []string // NAME=URL?…, as given: secret
	targets []notify.Target
}

var notifyTable = config.Table{Key: "notify", Fields: notify.Fields, Paths: notify.Paths, Instead: "url_file"}

func (n *notifying) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&n.texts, "notify", nil, "`NAME=URL?events=…` that is told of events: https://, slack+https://, smtp://, or another service; once for each")
	mustMark(config.MarkTable(f, "notify", notifyTable))
}

// read refuses targets that cannot work. Their URLs are not told: they are
// secrets.
func (n *notifying) read() error {
	n.targets = nil
	names := map[string]bool{}
	for _, text := range n.texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || !spec.ValidHostName(name) {
			return badInput("--notify 'ops=https://example.com/hook?events=warnings'", "--notify: it does not begin with a name of up to 63 letters, digits, - and ., and =")
		}
		if names[name] {
			return badInput("", "--notify: there are two targets called %s", name)
		}
		names[name] = true
		t, err := notify.Parse(name, rest)
		if err != nil {
			return badInput("", "--notify %s: %v", name, err)
		}
		n.targets = append(n.targets, t)
	}
	return nil
}

// openNotifier returns who tells the targets; nil: there are none.
func (w *wiring) openNotifier() (*notify.Notifier, error) {
	if len(w.notifying.targets) == 0 {
		return nil, nil
	}
	return notify.New(notify.Options{
		ID: w.id, Targets: w.notifying.targets, Book: w.db, File: filepath.Join(w.statePath(), notifyFile), Logger: w.log,
		Subscribe: func(ctx context.Context) <-chan struct{} { return w.core.Subscribe(ctx) },
		Note:      func(events ...reconcile.Event) { w.core.Note(events...) },
		Origin:    w.originOf,
	})
}

// originOf is the commit that an app's desired state is from.
func (w *wiring) originOf(app spec.Name) spec.Origin {
	state, known, err := w.db.Load(app)
	if err != nil || !known || state.Desired.Origin == nil {
		return spec.Origin{} // a message goes without it
	}
	return *state.Desired.Origin
}

func (p *program) notifyVerb() *cobra.Command {
	c := &cobra.Command{Use: "notify", Short: "Try who is told of events", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.notifyTestVerb())
	return c
}

func (p *program) notifyTestVerb() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "test [-c teal.yaml] [name …]",
		Short: "Send a test message to some or all of the targets that are configured",
		Long: `Sends a message that says it is a test, at once and from here, to the targets of
the settings that teal run would have, or to those that are named.

Exit codes: 0 all took it, 1 one did not.`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, names []string) error {
			if err := p.fill(c.Flags(), &s.config); err != nil {
				return err
			}
			if err := s.notifying.read(); err != nil {
				return err
			}
			return p.testTargets(c.Context(), s, names)
		},
	}
	s.flags(c)
	return c
}

// testTargets sends to each target that is meant and says what came of it.
func (p *program) testTargets(ctx context.Context, s settings, names []string) error {
	targets, err := s.notifying.named(names)
	if err != nil {
		return err
	}
	id, err := p.controllerID(s.id)
	if err != nil {
		return err
	}
	var refused []string
	for _, t := range targets {
		line := t.Name + " (" + t.Place + "): sent\n"
		if err := notify.Test(ctx, t, id); err != nil {
			line = t.Name + " (" + t.Place + "): " + err.Error() + "\n"
			refused = append(refused, t.Name)
		}
		if err := p.print(line); err != nil {
			return err
		}
	}
	if len(refused) > 0 {
		return &failure{code: exitFailed, message: "not taken by " + strings.Join(refused, ", ")}
	}
	return nil
}

// named returns the targets of some names, or all.
func (n *notifying) named(names []string) ([]notify.Target, error) {
	if len(n.targets) == 0 {
		return nil, badInput("teal run --notify 'ops=https://example.com/hook', or notify: in teal.yaml", "there is no target")
	}
	if len(names) == 0 {
		return n.targets, nil
	}
	known := map[string]notify.Target{}
	var all []string
	for _, t := range n.targets {
		known[t.Name] = t
		all = append(all, t.Name)
	}
	var out []notify.Target
	for _, name := range names {
		t, ok := known[name]
		if !ok {
			return nil, badInput("", "there is no target %s; there are %s", name, strings.Join(all, ", "))
		}
		out = append(out, t)
	}
	return out, nil
}
