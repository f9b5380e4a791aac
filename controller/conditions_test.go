package controller

import (
	"errors"
	"strings"
	"testing"

	"teal/reconcile"
)

// TestWhyASideIsAway: each cause is news once, and words without a cause do not
// hide it.
func TestWhyASideIsAway(t *testing.T) {
	silent := errors.New("connection refused")
	taken := &upError{&reconcile.Failure{Class: reconcile.Infra, Reason: reconcile.ReasonPortTaken, Message: "port 80"}}
	broken := &upError{errors.New("no such folder")}
	var c conditions
	for i, step := range []struct {
		err  error
		news bool
		says string
	}{
		{nil, false, "answers"},
		{silent, true, "refused"},
		{silent, false, "refused"},
		{taken, true, "port 80"},
		{silent, false, "port 80"},
		{taken, false, "port 80"},
		{broken, false, "no such folder"},
		{silent, false, "no such folder"},
		{taken, false, "port 80"},
		{nil, true, "answers"},
		{taken, true, "port 80"},
		{silent, false, "port 80"},
		{nil, true, "answers"},
		{silent, true, "refused"},
	} {
		if news := c.set(proxySide, step.err); news != step.news {
			t.Errorf("step %d, %v: news is %t", i, step.err, news)
		}
		if says := c.of(proxySide).Message; !strings.Contains(says, step.says) {
			t.Errorf("step %d, %v: says %q, want %q", i, step.err, says, step.says)
		}
	}
}
