package crash

import (
	"cmp"
	"slices"
	"strings"

	"teal/reconcile"
)

// scenario is a piece of an app's life.
type scenario struct {
	name      string
	place     place
	published []string // images that have to be pulled, each cell its own
	flags     []string // further ones of the controller
	base      *wish    // what runs before; nil: nothing
	first     wish     // what is wanted from the start when nothing runs before
	before    []step
	act       []step
	ends      []string // parts of lines of the final state
	// quiet: there is no client, and no controller at the end.
	quiet bool
	// lastOnly: only the newest rollout of the history is compared, where it is a
	// race whether one before it was superseded or succeeded.
	lastOnly bool
}

// file is the name as a part of a file's name.
func (s *scenario) file() string {
	return strings.NewReplacer(" ", "-", ",", "", "(", "", ")", "", "→", "to").Replace(s.name)
}

// side is a second app, db a dependency.
const (
	side = "  side:\n    image: IMAGE(v1)\n    pull_policy: never\n    x-teal:\n      route: {port: 8080, path: /side}\n      health: {http: /health, successes: 1}\n      drain: 2s\n"
	db1  = "  db:\n    image: IMAGE(v1)\n    pull_policy: never\n"
	db2  = "  db:\n    image: IMAGE(v2)\n    pull_policy: never\n"
)

func v(image string) *wish { return &wish{image: image} }

// scenarios are all of them, the most important first.
func scenarios() []*scenario {
	all := []*scenario{
		{name: "first deployment", first: *v("v1"), act: []step{traffic, idle("v1")}, ends: []string{"blue stable v1 weight 100"}},
		{name: "update", base: v("v1"), act: []step{edit(*v("v2")), idle("v2")}, ends: []string{"stable v2 weight 100", "standby v1"}},
		{
			name: "undo to the hot standby", base: v("v1"), before: []step{edit(*v("v2")), idle("v2")},
			act: []step{command(reconcile.VerbUndo), answers("v1")}, ends: []string{"blue stable v1 weight 100", "overridden"},
		},
		{
			name: "undo to a removed revision", base: &wish{image: "v1", standby: "0s"}, before: []step{edit(wish{image: "v2", standby: "0s"}), idle("v2")},
			act: []step{command(reconcile.VerbUndo), answers("v1")}, ends: []string{"stable v1 weight 100", "overridden"},
		},
		{
			name: "never healthy, held", base: v("v1"),
			act:  []step{edit(wish{image: "bad", xteal: []string{"deadline: 1s"}})},
			ends: []string{"blue stable v1 weight 100", "held: bad Unhealthy"},
		},
		{
			name: "standby expires", base: &wish{image: "v1", standby: "1s"},
			act: []step{edit(wish{image: "v2", standby: "1s"}), idle("v2")}, ends: []string{"green stable v2 weight 100"},
		},
		{
			name: "pin flips", base: &wish{image: "v1", xteal: []string{"active: blue"}},
			act: []step{
				edit(wish{image: "v2", xteal: []string{"active: blue"}}), reaches(reconcile.Staged, "v2"),
				edit(wish{image: "v2", xteal: []string{"active: green"}}), answers("v2"), idle("v2"),
				edit(wish{image: "v2", xteal: []string{"active: blue"}}), answers("v1"),
			},
			ends: []string{"blue stable v1 weight 100"},
		},
		{
			name: "two replicas, update", base: &wish{image: "v1", replicas: 2},
			act: []step{edit(wish{image: "v2", replicas: 2}), idle("v2")}, ends: []string{"stable v2 weight 100, 2 of 2"},
		},
		{
			name: "scaled up and down", base: v("v1"),
			act: []step{
				edit(wish{image: "v1", replicas: 3}), running(3), edit(wish{image: "v1", replicas: 1}), running(1),
			},
			ends: []string{"blue stable v1 weight 100, 1 of 1"},
		},
		{
			name: "dependency changed", base: &wish{image: "v1", web: []string{"depends_on: [db]"}, more: db1},
			act: []step{edit(wish{image: "v1", web: []string{"depends_on: [db]"}, more: db2})}, ends: []string{"stable v2 weight 0, 1 of 1 ready"},
		},
		{name: "an app removed", base: &wish{image: "v1", more: side}, act: []step{edit(*v("v1"))}, ends: []string{"blue stable v1 weight 100"}},
	}
	all = append(all, aborts()...)
	all = append(all, rollovers()...)
	all = append(all, upkeep()...)
	named := func(name string) *scenario {
		return all[slices.IndexFunc(all, func(s *scenario) bool { return s.name == name })]
	}
	for _, where := range []struct {
		place
		scenarios []string
	}{
		{managedNginx, []string{"first deployment", "update", "undo to the hot standby", "never healthy, held", "standby expires", "an app removed"}},
		{serviceNginx, []string{"update"}},
		{twoHosts, []string{"first deployment", "update", "undo to the hot standby", "never healthy, held", "abort while Confirming", "rollover while Verifying"}},
		{sshNginx, []string{"first deployment", "update"}},
		{farNginx, []string{"first deployment", "update"}},
	} {
		for _, name := range where.scenarios {
			all = append(all, named(name).at(where.place))
		}
	}
	slices.SortStableFunc(all, func(a, b *scenario) int { return cmp.Compare(a.rank(), b.rank()) })
	return all
}

// foremost are the scenarios that come first, in a run that may be ended early.
var foremost = []string{
	"first deployment", "update", "undo to the hot standby", "abort while Confirming", "update (nginx)", "never healthy, held",
	"rollover while Verifying", "pin flips", "two replicas, update", "standby expires",
}

func (s *scenario) rank() int {
	if n := slices.Index(foremost, s.name); n >= 0 {
		return n
	}
	return len(foremost)
}
