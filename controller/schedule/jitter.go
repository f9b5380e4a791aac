package schedule

import (
	"encoding/binary"
	"hash/fnv"
	"time"
)

// longestShift bounds how much later than written something by cron comes.
const longestShift = time.Minute

// Jitter spreads what many have the same schedule for. Of an interval, each step
// is longer or shorter by up to share of it (0.1: 27 s to 33 s for 30 s). What a
// cron expression names comes later by up to share of the time between two, at
// most a minute, and always by the same: a key's shift never changes, so that
// nothing comes twice or is left out.
func (s Schedule) Jitter(key string, share float64) Schedule {
	switch {
	case s.IsZero() || share <= 0:
		return s
	case s.every > 0:
		every := s.every
		s.next = func(t time.Time) time.Time {
			return t.Add(every + time.Duration((2*random(key, t.UnixNano())-1)*share*float64(every)))
		}
		return s
	}
	plain := s.next
	first := plain(someDay)
	shift := time.Duration(random(key, 0) * min(share*float64(plain(first).Sub(first)), float64(longestShift)))
	s.next = func(t time.Time) time.Time {
		at := plain(t.Add(-shift))
		if at.IsZero() {
			return at
		}
		return at.Add(shift)
	}
	return s
}

// Every returns the interval; false: it is a cron expression.
func (s Schedule) Every() (time.Duration, bool) { return s.every, s.every > 0 }

// random is from 0 to 1, the same for the same key and number.
func random(key string, n int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash takes everything
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	x := h.Sum64()
	x ^= x >> 33 // the last bytes that went in must reach the first that come out
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
