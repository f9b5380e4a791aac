package sim

import (
	"fmt"
	"slices"
)

// rule is the name of a rule of safety (S) or liveness (L); docs/proofs.md says
// what each wants.
type rule string

// The rules that are checked here. S13 and L8 are not: passes are not run side
// by side here, and there are no requests.
const (
	S1  rule = "S1"
	S2  rule = "S2"
	S3  rule = "S3"
	S4  rule = "S4"
	S5  rule = "S5"
	S6  rule = "S6"
	S7  rule = "S7"
	S8  rule = "S8"
	S9  rule = "S9"
	S10 rule = "S10"
	S11 rule = "S11"
	S12 rule = "S12"
	S14 rule = "S14"
	S15 rule = "S15"
	S16 rule = "S16"
	S17 rule = "S17"
	L1  rule = "L1"
	L2  rule = "L2"
	L3  rule = "L3"
	L4  rule = "L4"
	L5  rule = "L5"
	L6  rule = "L6"
	L7  rule = "L7"
	// W1: nothing begins outside of its deploy windows.
	W1 rule = "W1"
	// Hosts: nothing begins while a host is away that it needs.
	Hosts rule = "hosts"
	// World: the fakes and the simulation itself work.
	World rule = "world"
)

var rules = []rule{S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S12, S14, S15, S16, S17, L1, L2, L3, L4, L5, L6, L7, W1, Hosts}

// checked counts that rules were held against what just happened; fail is only
// believed of a rule that was.
func (r *run) checked(rules ...rule) {
	for _, rule := range rules {
		r.checks[rule]++
	}
}

// fail notes the first rule that does not hold.
func (r *run) fail(broken rule, format string, args ...any) {
	if broken != World && !slices.Contains(rules, broken) {
		format, broken = "no such rule: "+format, World
	}
	if r.bad == "" {
		r.bad = string(broken) + ": " + fmt.Sprintf(format, args...)
		r.log("FAILED: %s", r.bad)
	}
}
