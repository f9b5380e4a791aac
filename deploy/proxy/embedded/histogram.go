package embedded

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are an eighth of a power of two
// wide, from 1 µs to 18 min; what lies outside counts as the nearest. A quantile
// read from it is off by at most 6.3 % of its value.
type histogram struct {
	buckets [histogramOctaves << histogramSub]atomic.Int64
	sum     atomic.Int64 // nanoseconds
}

const (
	histogramSub     = 3  // bits: 8 buckets per octave
	histogramFirst   = 10 // the first octave begins at 2^10 ns
	histogramOctaves = 30
)

func (h *histogram) observe(d time.Duration) {
	h.buckets[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
}

// bucketOf: 3 ms is 3,000,000 ns, between 2^21 (octave 11) and 2^22; its next
// three bits are 011, so the bucket is 11·8+3.
func bucketOf(d time.Duration) int {
	octave := bits.Len64(uint64(max(d, 0))) - 1
	if octave < histogramFirst {
		return 0
	}
	if octave >= histogramFirst+histogramOctaves {
		return histogramOctaves<<histogramSub - 1
	}
	sub := int(uint64(d)>>(octave-histogramSub)) & (1<<histogramSub - 1)
	return (octave-histogramFirst)<<histogramSub | sub
}

// bucketEnd is where bucket i ends and the next begins.
func bucketEnd(i int) time.Duration {
	octave, sub := i>>histogramSub+histogramFirst, i&(1<<histogramSub-1)
	return time.Duration(1<<octave + (sub+1)<<(octave-histogramSub))
}

func bucketMiddle(i int) time.Duration {
	start := time.Duration(1 << histogramFirst)
	if i > 0 {
		start = bucketEnd(i - 1)
	}
	return (start + bucketEnd(i)) / 2
}

// quantiles returns, in seconds, the durations that the given shares of all
// observations do not exceed; 0 while there are none. Shares ascend.
func (h *histogram) quantiles(shares ...float64) []float64 {
	counts, total := h.counts()
	out := make([]float64, len(shares))
	if total == 0 {
		return out
	}
	next, below := 0, int64(0)
	for i, n := range counts {
		below += n
		for next < len(shares) && float64(below) >= shares[next]*float64(total) {
			out[next] = bucketMiddle(i).Seconds()
			next++
		}
	}
	return out
}

func (h *histogram) counts() (counts []int64, total int64) {
	counts = make([]int64, len(h.buckets))
	for i := range h.buckets {
		counts[i] = h.buckets[i].Load()
		total += counts[i]
	}
	return counts, total
}
