package nginx

import "slices"

// Point is called before and after every effect on a place's files and on its
// nginx, with the effect's name. It is for tests that end the process there; nil:
// nobody is told. A container's effects are told by its engine.
type Point func(name string)

// effect is called first, and what it returns when the effect is done.
func (p Point) effect(name string) (after func()) {
	p.reach(name + "/before")
	return func() { p.reach(name + "/after") }
}

func (p Point) reach(name string) {
	if p != nil {
		p("nginx." + name)
	}
}

// signal is effect for a run of nginx that signals the one that serves; the
// others only look.
func (p Point) signal(args []string) (after func()) {
	if !slices.Contains(args, "-s") {
		return func() {}
	}
	return p.effect("Signal")
}
