package docker_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// TestStrangers lists what Docker Compose made, with where it is reached, and
// leaves out what a controller made.
func TestStrangers(t *testing.T) {
	engine, controller := open(t, docker.Options{})
	client := dockertest.Client(t)
	label := dockertest.Label(t)
	image := dockertest.Image(t, "v1", dockertest.Options{})
	project := "old" + dockertest.Unique()
	create := func(name string, labels map[string]string, start bool) {
		t.Helper()
		labels[dockertest.LabelTest] = label
		made, err := client.ContainerCreate(t.Context(), &container.Config{Image: image, Labels: labels, ExposedPorts: nat.PortSet{"8080/tcp": {}}},
			&container.HostConfig{PortBindings: nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1"}}}}, nil, nil, project+name)
		if err != nil {
			t.Fatal(err)
		}
		if start {
			if err := client.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	compose := func(service, oneoff string) map[string]string {
		return map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": service, "com.docker.compose.oneoff": oneoff}
	}
	create("_was_blue", compose("was_blue", "False"), true)
	create("_was_green", compose("was_green", "False"), false)
	create("_run", compose("was_blue", "True"), false)
	create("-ours", map[string]string{spec.LabelController: controller}, false)
	create("-plain", map[string]string{}, false)

	all, err := engine.Strangers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]docker.Stranger{}
	for _, s := range all {
		if name, ok := strings.CutPrefix(s.Name, project); ok {
			own[name] = s
		}
	}
	if len(own) != 3 || !slices.IsSortedFunc(all, func(a, b docker.Stranger) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatalf("got %+v", own)
	}
	blue := own["_was_blue"]
	if blue.Project != project || blue.Service != "was_blue" || blue.Image != image || blue.State != reconcile.Running {
		t.Errorf("got %+v", blue)
	}
	for _, at := range []string{blue.At(8080), blue.Own(8080)} {
		res, err := http.Get("http://" + at)
		if err != nil {
			t.Errorf("the container is not reached at %q: %v", at, err)
			continue
		}
		res.Body.Close()
	}
	if host, _, err := net.SplitHostPort(blue.At(8080)); err != nil || host != "127.0.0.1" || blue.At(8080) == blue.Own(8080) {
		t.Errorf("at %s, own %s", blue.At(8080), blue.Own(8080))
	}
	if green := own["_was_green"]; green.State != reconcile.Created || green.At(8080) != "" || own["-plain"].Project != "" {
		t.Errorf("got %+v", own)
	}
}
