package reconcile

// unsafe lists the safety rules that a decision breaks.
func unsafe(n node, d Decision, m node) (out []string) {
	say := func(rule string) { out = append(out, rule) }
	for _, step := range d.Steps {
		switch step.Kind {
		case StepRemove, StepStop:
			unsafeEnd(n, step, m, say)
		case StepEnsure:
			unsafeEnsure(n, step, m, say)
		case StepRoute:
			unsafeRoute(n, step, m, say)
		case StepUnroute:
			if n.answers(n.route, n.routeVer, n.targets) {
				say("S1 the route of what serves was taken away")
			}
		case StepPull:
			if n.away != 0 {
				say("a step was decided for a host that does not answer")
			}
		case StepResolve, StepTest, StepEvidence:
		}
	}
	if m.obs < n.obs {
		say("S11 the observed generation went back")
	}
	takenOver := n.stCol < 0 && m.stVer == foreign
	if m.stCol >= 0 && (m.stCol != n.stCol || m.stVer != n.stVer) && n.route != m.stCol && !takenOver {
		say("S3 stable was recorded although the proxy does not serve it")
	}
	back := m.sbyCol < 0 && n.sbyCol == m.cCol && n.sbyVer == m.cVer
	begun := n.cCol < 0 && m.cCol >= 0
	if begun && n.shut && n.stCol >= 0 && n.stKnown && m.stVer == n.stVer && !back && triggers[m.cTrigger] != TriggerUndo && m.admitted != m.sgen {
		say("W1 a rollout began outside of the windows")
	}
	if n.away != 0 {
		unsafeAway(n, d, m, say)
	}
	return out
}

// answers reports whether one of a route's targets is what it is said to be and
// works, seen or not.
func (n node) answers(col, ver, targets int8) bool {
	for host := range n.hosts {
		if col >= 0 && targets&(1<<host) != 0 && n.sl[col][host] == (slot{ver, hHealthy}) {
			return true
		}
	}
	return false
}

func unsafeEnd(n node, step Step, m node, say func(string)) {
	col, host := spot(step.Container)
	sl := n.sl[col][host]
	if n.route == col && n.targets&(1<<host) != 0 {
		say("S1 a colour with live traffic was removed")
	}
	if col == n.sbyCol && !n.sbyExp && m.phase != 2 && sl.ver == n.sbyVer {
		say("S7 the standby was removed inside its window")
	}
	if sl.ver == foreign && (m.stCol < 0 || m.stVer == foreign) && col != m.cCol {
		say("S12 an adopted container was stopped before it was replaced")
	}
	if (sl.ver == foreign) != (step.Kind == StepStop && step.Foreign) {
		say("S12 an adopted container was removed")
	}
	if host == 1 && n.away != 0 {
		say("a step was decided for a host that does not answer")
	}
	if n.hosts == 2 && step.Host != hostNames[host] {
		say("a step names the wrong host")
	}
}

func unsafeEnsure(n node, step Step, m node, say func(string)) {
	ver, col := place(&Placement{Colour: step.Ensure.Colour, Revision: step.Ensure.Revision})
	isCandidate := col == m.cCol && ver == m.cVer
	if isCandidate && n.route == col {
		say("S8 an unverified container was created behind live traffic")
	}
	if isCandidate && m.held && m.heldGen == m.obs && m.cGen == m.obs {
		say("S5 a held revision was started")
	}
	if ver == foreign {
		say("S12 an adopted container was started")
	}
	if n.hosts < 2 {
		return
	}
	if step.Ensure.Host != hostNames[step.Ensure.Replica-1] {
		say("a replica was created on a wrong host")
	}
	if step.Ensure.Host == hostNames[1] && n.away != 0 {
		say("a step was decided for a host that does not answer")
	}
}

func unsafeRoute(n node, step Step, m node, say func(string)) {
	done := m.perform(step)
	to := done.route
	goesOn := to == n.route && done.routeVer == n.routeVer
	for host := range n.hosts {
		had := goesOn && n.targets&(1<<host) != 0
		if done.targets&(1<<host) != 0 && !had && n.sl[to][host] != (slot{done.routeVer, hHealthy}) {
			say("S2 traffic was sent to a colour that is not healthy")
			return
		}
	}
	if !goesOn && to == m.cCol && m.stCol != to {
		if n.manual && !m.token && !m.skip || m.pinned {
			say("S6 the candidate got traffic without its gate")
		}
		if p := phases[m.phase]; p == Aborting || p == Superseding {
			say("S15 going back raised the candidate's weight")
		}
	}
}

// unsafeAway: nothing is begun while a host is away, and nothing is concluded
// from what is not seen of it.
func unsafeAway(n node, d Decision, m node, say func(string)) {
	for _, e := range d.Events {
		if e.Reason == ReasonRolloutStarted {
			say("a rollout began while a host is away")
		}
	}
	given := n.sbyCol >= 0 && !n.sbyExp && m.sbyCol < 0 && n.phase == 0 && m.phase == 0 && !m.degraded
	if given && n.sl[n.sbyCol][1].ver == n.sbyVer {
		say("S7 the standby was given up because its host is away")
	}
	well := n.cCol >= 0 && !n.failing && !n.abortReq && n.deadline != dlPast && n.unseen != dlPast
	for host := range n.hosts {
		well = well && n.sl[n.cCol][host] == (slot{n.cVer, hHealthy})
	}
	if well && !n.verdict && m.verdict {
		say("a verdict was given on what is not seen")
	}
}
