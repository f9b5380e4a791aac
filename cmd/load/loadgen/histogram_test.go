package loadgen

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantilesAreWithinTwoPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nanos := rapid.SliceOfN(rapid.Int64Range(int64(2*time.Microsecond), int64(time.Minute)), 1, 200).Draw(t, "durations")
		var h histogram
		for _, n := range nanos {
			h.add(time.Duration(n))
		}
		slices.Sort(nanos)
		for _, q := range []float64{0.01, 0.5, 0.95, 0.99, 1} {
			exact := time.Duration(nanos[min(len(nanos)-1, max(0, ceil(q*float64(len(nanos)))-1))])
			got := h.quantile(q)
			if got < exact-time.Nanosecond || float64(got) > float64(exact)*growth*1.0001 {
				t.Fatalf("quantile %g is %s, exactly %s", q, got, exact)
			}
		}
	})
}

func ceil(f float64) int {
	n := int(f)
	if float64(n) < f {
		n++
	}
	return n
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, 100 * time.Hour} {
		h.add(d)
	}
	if h.count != 4 || h.quantile(1) != 100*time.Hour || h.quantile(0.1) > 2*time.Microsecond {
		t.Errorf("counted %d, quantiles %s and %s", h.count, h.quantile(0.1), h.quantile(1))
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %s", got)
	}
}
