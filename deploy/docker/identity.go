package docker

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// labelImage holds the reference as it was wanted, for people: the container
// itself is made from a digest.
const labelImage = "teal.image"

// roleIngress marks the network of the proxy.
const roleIngress = "ingress"

// identity is what the labels of a container say that it is.
type identity struct {
	spec.Facts
	image string
}

// replicaOf is the identity of the replica that en describes.
func (e *Engine) replicaOf(app spec.Name, en reconcile.Ensure) identity {
	return identity{
		Facts: spec.Facts{
			Controller: e.controller, Role: spec.RoleReplica, Name: app, Colour: en.Colour, Replica: en.Replica,
			Revision: en.Revision.ID, Generation: en.Generation, Rollout: en.Rollout, Port: en.Revision.Port,
		},
		image: cmp.Or(en.Revision.Image.Ref, en.Revision.Container.Image),
	}
}

// seed is what the place of a replica is chosen by: the same for each revision.
func (id identity) seed() string {
	return id.Name.String() + "/" + string(id.Colour) + "/" + strconv.Itoa(id.Replica)
}

// testOf is the identity of a one-shot test.
func (e *Engine) testOf(app spec.Name, run reconcile.TestRun) identity {
	return identity{
		Facts: spec.Facts{
			Controller: e.controller, Role: spec.RoleTest, Name: app, Colour: run.Colour,
			Revision: run.Revision.ID, Rollout: run.Rollout,
		},
		image: cmp.Or(run.Test.Image, run.Revision.Image.Ref, run.Revision.Container.Image),
	}
}

// name is the container's name; that of a test is PROJECT-SERVICE-test-ROLLOUT.
func (id identity) name() string {
	if id.Role == spec.RoleTest {
		return strings.Join([]string{id.Name.Project, id.Name.Service, "test", id.Rollout}, "-")
	}
	return spec.ContainerName(id.Name, id.Colour, id.Revision, id.Replica)
}

// same reports whether a container with identity other can stand for id: what
// may differ are the numbers of the attempt that made it.
func (id identity) same(other identity) bool {
	a, b := id.Facts, other.Facts
	a.Generation, a.Rollout, b.Generation, b.Rollout = 0, "", 0, ""
	return a == b
}

// labels are the labels of a container. User labels never look like ours.
func (id identity) labels(user map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range user {
		if !strings.HasPrefix(k, "teal.") {
			out[k] = v
		}
	}
	maps.Copy(out, spec.Labels(id.Facts))
	out[labelImage] = id.image
	return out
}

// identify reads labels. An error says what is wrong with them.
func identify(labels map[string]string) (identity, error) {
	facts, err := spec.ParseLabels(labels)
	return identity{Facts: facts, image: labels[labelImage]}, err
}

// identifyNamed also checks that the name is the one that the labels lead to:
// a container that only imitates our labels has another.
func identifyNamed(name string, labels map[string]string) (identity, error) {
	id, err := identify(labels)
	if err != nil {
		return id, err
	}
	if name = strings.TrimPrefix(name, "/"); id.Role != spec.RoleProxy && name != id.name() {
		return id, fmt.Errorf("its name should be %s", id.name())
	}
	return id, nil
}
