package reconcile

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Tests may do all of it: nothing here is reported.
func TestFree(t *testing.T) {
	rapid.Check(t, func(*rapid.T) {})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if ctx.Err() != nil || time.Now().IsZero() || rand.IntN(2) > 1 {
		t.Fail()
	}
}
