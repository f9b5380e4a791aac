package access

import "time"

// Failed attempts that are answered and logged singly: attemptBurst of one
// address at once, and one more each attemptEvery. Those beyond are refused
// without a line, and counted in the next one.
const (
	attemptBurst = 10
	attemptEvery = 6 * time.Second
	maxOrigins   = 4096
)

// attempts counts failures by origin. The zero value is ready.
type attempts struct {
	origins map[string]*failures
}

// failures are those of one origin: a bucket that leaks.
type failures struct {
	level      time.Duration // attemptEvery for each failure that counts still
	at         time.Time
	suppressed int
}

// failed notes a failure and reports whether it may be answered and logged, and
// how many were not before.
func (a *attempts) failed(origin string, now time.Time) (allowed bool, suppressed int) {
	if a.origins == nil {
		a.origins = map[string]*failures{}
	}
	if a.origins[origin] == nil && len(a.origins) >= maxOrigins {
		a.forget(now)
	}
	if a.origins[origin] == nil && len(a.origins) >= maxOrigins {
		origin = "" // all further ones share what is left
	}
	f := a.origins[origin]
	if f == nil {
		f = &failures{}
		a.origins[origin] = f
	}
	f.level = max(0, f.level-now.Sub(f.at))
	f.at = now
	if f.level+attemptEvery > attemptBurst*attemptEvery {
		f.suppressed++
		return false, 0
	}
	f.level += attemptEvery
	suppressed, f.suppressed = f.suppressed, 0
	return true, suppressed
}

// forget drops origins whose failures no longer count.
func (a *attempts) forget(now time.Time) {
	for origin, f := range a.origins {
		if now.Sub(f.at) >= f.level {
			delete(a.origins, origin)
		}
	}
}
