package webhook

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestExampleOfTheDocs calls as docs/schedules.md shows it.
func TestExampleOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(page), "```sh\n")
	script, _, ends := strings.Cut(script, "```")
	if !ok || !ends {
		t.Fatal("there is no example")
	}
	s := newStand(t)
	script = strings.NewReplacer("shop.secret", s.file, "http://127.0.0.1:9000/hooks/shop", s.url+"/hooks/generic", "curl ", "curl -sSf ").Replace(script)
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput()
	if err != nil || string(out) != accepted.words+"\n" || s.looked() != "generic" {
		t.Errorf("%v: %s", err, out)
	}
}
