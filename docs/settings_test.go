package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEverySettingIsExplained(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), filepath.Join(build(t), "teal"), "run", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("teal run --help: %v\n%s", err, out)
	}
	text := read(t, "operations.md")
	flags := regexp.MustCompile(`(?m)^ +(?:-., )?--([a-z-]+)`).FindAllStringSubmatch(string(out), -1)
	if len(flags) < 40 {
		t.Errorf("found %d flags in\n%s", len(flags), out)
	}
	known := map[string]bool{}
	for _, m := range flags {
		known[m[1]] = true
		if m[1] != "help" && !strings.Contains(text, "`--"+m[1]+"`") {
			t.Errorf("operations.md does not explain the setting --%s", m[1])
		}
	}
	settings := text[strings.Index(text, "\n## Settings"):]
	settings = settings[:strings.Index(settings[1:], "\n## ")]
	for _, m := range regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(settings, -1) {
		if !known[m[1]] {
			t.Errorf("operations.md lists --%s, which teal run does not have", m[1])
		}
	}
}
