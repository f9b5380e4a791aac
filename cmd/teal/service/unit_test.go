package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// worst is the exposure that systemd-analyze may see in the unit, in tenths, of
// 100. Most of what is left is that it is root, for the engine's socket, and has a
// network.
const worst = "25"

// The unit is understood without a warning, and gives away little.
func TestTheUnit(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/systemd/teal.service")
	if err != nil {
		t.Fatal(err)
	}
	all, err := built()
	if err != nil {
		t.Fatal(err)
	}
	const program = "/usr/local/bin/teal"
	if !strings.Contains(string(text), "ExecStart="+program+" ") {
		t.Fatalf("the unit does not start %s", program)
	}
	unit := filepath.Join(t.TempDir(), "teal.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), program, all["1.0.0"])), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+worst, unit).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Overall exposure level") {
		t.Errorf("its exposure is over %s tenths: %v\n%s", worst, err, out)
	}
	for _, want := range []string{"Type=notify", "WatchdogSec=", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict"} {
		if !strings.Contains(string(text), "\n"+want) {
			t.Errorf("the unit has no %s", want)
		}
	}
}
