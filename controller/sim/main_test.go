package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the heap grow before it is swept: a world is small and short
// lived, and sweeping after every few megabytes cost a quarter of the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1600)
	os.Exit(m.Run())
}
