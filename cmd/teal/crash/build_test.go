package crash

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// root is the repository's folder.
const root = "../../.."

// folder holds what is built for all tests of this package; it is removed at
// their end.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "teal-crash"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes the program with build tags, as static as a release.
func build(name, tags string) (string, error) {
	path := filepath.Join(folder, name)
	cmd := exec.Command("go", "build", "-tags", tags, "-ldflags=-s -w", "-o", path, "teal/cmd/teal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

// pointed is the binary that ends at failpoints.
var pointed = sync.OnceValues(func() (string, error) { return build("teal-failpoints", "failpoints") })

// TestOnlyTheTestBinaryHasFailpoints looks for what failpoints are told with in
// an ordinary binary, and as a check of the check in the other one.
func TestOnlyTheTestBinaryHasFailpoints(t *testing.T) {
	with, err := pointed()
	if err != nil {
		t.Fatal(err)
	}
	without, err := build("teal", "")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{with: true, without: false} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(text, []byte("TEAL_FAILPOINTS")); got != want {
			t.Errorf("%s: has failpoints: %t, want %t", filepath.Base(path), got, want)
		}
	}
}
