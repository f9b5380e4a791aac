package spec

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// Facts are what Teal's labels say about one of its containers. They never
// change while it exists.
type Facts struct {
	Controller string
	Role       string // RoleReplica, RoleTest or RoleProxy
	Name       Name   // empty for a proxy
	Colour     Colour // empty for a dependency and a proxy
	Replica    int    // from 1; 0 for a test and a proxy
	Revision   string // as RevisionID returns it; empty for a proxy
	Generation int64
	Rollout    string // empty: not part of one
	Port       int    // 0: not routed
}

// rev8 is how much of a revision a name shows.
const rev8 = 8

// ContainerName returns PROJECT-SERVICE-COLOUR-REV8-N; a dependency, which has
// no colour, leaves that part out. replica counts from 1.
func ContainerName(n Name, c Colour, revision string, replica int) string {
	if len(revision) > rev8 {
		revision = revision[:rev8]
	}
	name := n.Project + "-" + n.Service + "-"
	if c != "" {
		name += string(c) + "-"
	}
	return name + revision + "-" + strconv.Itoa(replica)
}

// Labels returns the labels that say f. What is empty is left out.
func Labels(f Facts) map[string]string {
	out := map[string]string{}
	for label, v := range map[string]string{
		LabelController: f.Controller, LabelRole: f.Role,
		LabelProject: f.Name.Project, LabelService: f.Name.Service, LabelColour: string(f.Colour),
		LabelRevision: f.Revision, LabelRollout: f.Rollout,
		LabelReplica: number(int64(f.Replica)), LabelGeneration: number(f.Generation), LabelPort: number(int64(f.Port)),
	} {
		if v != "" {
			out[label] = v
		}
	}
	return out
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// ErrNotOurs is returned by [ParseLabels] for a container without Teal's labels.
var ErrNotOurs = errors.New("no label " + LabelController)

// ParseLabels reads what [Labels] wrote; other labels are ignored. Labels that
// Teal cannot have written are an error, so that nothing is done to a container
// that only looks like one of ours.
func ParseLabels(labels map[string]string) (Facts, error) {
	f := Facts{
		Controller: labels[LabelController], Role: labels[LabelRole],
		Name:   Name{labels[LabelProject], labels[LabelService]},
		Colour: Colour(labels[LabelColour]), Revision: labels[LabelRevision], Rollout: labels[LabelRollout],
	}
	if f.Controller == "" {
		return Facts{}, ErrNotOurs
	}
	for _, n := range []struct {
		label string
		to    func(int64)
		high  int64
	}{
		{LabelReplica, func(n int64) { f.Replica = int(n) }, maxReplicas},
		{LabelGeneration, func(n int64) { f.Generation = n }, 1<<63 - 1},
		{LabelPort, func(n int64) { f.Port = int(n) }, 65535},
	} {
		text, ok := labels[n.label]
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v < 0 || v > n.high || strconv.FormatInt(v, 10) != text {
			return Facts{}, fmt.Errorf("label %s: %q is not a number up to %d", n.label, text, n.high)
		}
		n.to(v)
	}
	return f, f.check()
}

func (f Facts) check() error {
	switch f.Role {
	case RoleProxy:
		if (Facts{Controller: f.Controller, Role: f.Role}) != f {
			return fmt.Errorf("label %s: a proxy belongs to no app", LabelRole)
		}
		return nil
	case RoleReplica, RoleTest:
	default:
		return fmt.Errorf("label %s: %q is not a role", LabelRole, f.Role)
	}
	if !projectName.MatchString(f.Name.Project) || !serviceName.MatchString(f.Name.Service) {
		return fmt.Errorf("labels %s, %s: %q is not an app", LabelProject, LabelService, f.Name)
	}
	if f.Colour != "" && f.Colour != Blue && f.Colour != Green {
		return fmt.Errorf("label %s: %q is not a colour", LabelColour, f.Colour)
	}
	if raw, err := hex.DecodeString(f.Revision); err != nil || len(raw) != 32 {
		return fmt.Errorf("label %s: %q is not a revision", LabelRevision, f.Revision)
	}
	if (f.Role == RoleReplica) != (f.Replica > 0) {
		return fmt.Errorf("label %s: a replica has a number, and only a replica", LabelReplica)
	}
	return nil
}
