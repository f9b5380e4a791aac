package loadgen

import (
	"math"
	"time"
)

// histogram counts durations in buckets that grow by 2 %, from 1 µs to about
// ten minutes, so that its size does not depend on how much is counted.
type histogram struct {
	buckets [1024]int64
	count   int64
	max     time.Duration
}

const growth = 1.02

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > time.Microsecond {
		i = min(int(math.Log(float64(d)/float64(time.Microsecond))/math.Log(growth)), len(h.buckets)-1)
	}
	h.buckets[i]++
	h.count++
	h.max = max(h.max, d)
}

// quantile returns a duration that a share q of all counted did not pass, at
// most 2 % too high.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := int64(math.Ceil(q * float64(h.count)))
	var seen int64
	for i, n := range h.buckets[:len(h.buckets)-1] {
		seen += n
		if seen >= rank {
			upper := time.Duration(math.Pow(growth, float64(i+1)) * float64(time.Microsecond))
			return min(upper, h.max)
		}
	}
	return h.max
}

func (h *histogram) latency() Latency {
	return Latency{P50: h.quantile(0.50), P95: h.quantile(0.95), P99: h.quantile(0.99), Max: h.max}
}
