package service

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"teal/deploy/docker/dockertest"
)

// packed makes an image of the program alone, as the Dockerfile does.
func (h *house) packed() string {
	h.t.Helper()
	data, err := os.ReadFile(h.binary)
	if err != nil {
		h.t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "teal", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))}); err != nil {
		h.t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		h.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	ref := "teal-test-controller:" + dockertest.Unique()
	load := exec.Command("docker", "import", "-c", `ENTRYPOINT ["/teal"]`, "-", ref)
	load.Stdin = &files
	if out, err := load.CombinedOutput(); err != nil {
		h.t.Fatalf("import: %v: %s", err, out)
	}
	h.t.Cleanup(func() { h.docker("rmi", ref) })
	return ref
}

func (h *house) docker(args ...string) string {
	h.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		h.t.Errorf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Teal in a container with the rights of compose.yaml updates an app under
// load, and is killed and started again.
func TestInAContainer(t *testing.T) {
	v1, v2 := image(t, "v1"), image(t, "v2")
	h := newHouse(t)
	text, err := os.ReadFile("../../../deploy/container/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read_only: true", "cap_drop: [ALL]", "cap_add: [DAC_OVERRIDE, CHOWN, FOWNER]", "no-new-privileges", "network_mode: host"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("compose.yaml has no %q, this test does", want)
		}
	}
	if err := os.Mkdir(h.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	h.edit(h.wants(v1))
	name := "teal-test-controller-" + h.id
	args := []string{
		"run", "-d", "--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE", "--cap-add", "CHOWN", "--cap-add", "FOWNER",
		"--security-opt", "no-new-privileges", "--tmpfs", "/tmp", "-e", "TEAL_STATE=" + h.state(),
		"-v", "/var/run/docker.sock:/var/run/docker.sock", "-v", h.folder + ":" + h.folder, h.packed(),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("its log:\n%s", h.docker("logs", name))
		}
		h.docker("rm", "-f", name)
	})
	h.docker(append(args, h.runArgs()...)...)
	h.answers()
	h.synced(v1)
	end := h.load(t.Context())
	h.edit(h.wants(v2))
	h.synced(v2)
	h.docker("kill", name)
	h.edit(h.wants(v1)) // while nobody looks
	h.docker("start", name)
	h.answers()
	h.synced(v1)
	end()
	h.docker("stop", "-t", "75", name)
	if got := h.docker("inspect", "-f", "{{.State.ExitCode}}", name); got != "0" {
		t.Errorf("it ended with %s", got)
	}
}
