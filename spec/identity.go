package spec

// How Teal knows its own containers: labels are immutable facts, never roles
// that can change (stable and standby are in the record).
const (
	LabelController = "teal.controller"
	LabelRole       = "teal.role"
	LabelProject    = "teal.project"
	LabelService    = "teal.service"
	LabelColour     = "teal.colour"
	LabelReplica    = "teal.replica"
	LabelRevision   = "teal.revision"
	LabelGeneration = "teal.generation"
	LabelRollout    = "teal.rollout"
)

// Values of LabelRole. A container of an app or dependency has RoleReplica.
const (
	RoleReplica = "replica"
	RoleTest    = "test"
	RoleProxy   = "proxy"
)

// LabelPort is the routed container port; a container without it is not routed.
const LabelPort = "teal.port"
