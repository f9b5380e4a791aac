package nginx

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// logFormat is a line per request.
const logFormat = `$teal_app $teal_slot $teal_b $status $request_time $request_method $request_completion $body_bytes_sent $sent_http_content_length`

// line is one request, as nginx logged it.
type line struct {
	app    string
	colour spec.Colour
	failed bool
	took   time.Duration
	timed  bool // an upgraded connection's time is no latency
}

// parseLine reads a message of syslog; ok is false for previews, which are no
// traffic, and for what is not ours.
//
// A request failed if it was answered 5xx, or if the app ended its answer early:
// nginx calls the request complete, and fewer bytes were sent than announced. It
// does not call one complete whose client went away. An answer without a length
// that ends early cannot be told from a whole one.
func parseLine(message string) (l line, ok bool) {
	_, text, found := strings.Cut(message, "teal: ")
	f := strings.Fields(text)
	if !found || len(f) < 9 || f[2] == "-" || f[2][0] == 'p' {
		return line{}, false
	}
	status, err := strconv.Atoi(f[3])
	seconds, err2 := strconv.ParseFloat(f[4], 64)
	if err != nil || err2 != nil {
		return line{}, false
	}
	l = line{app: f[0], colour: spec.Colour(f[1]), timed: status != 101}
	// nginx counts whole milliseconds; half a one is added, so that none is 0.
	l.took = time.Duration(seconds*float64(time.Second)) + time.Millisecond/2
	method, completion, sent, announced := f[5], f[6], f[7], f[8]
	early := method != "HEAD" && completion == "OK" && status != 304 && announced != "-" && sent != announced
	l.failed = status >= 500 || early
	return l, true
}

// counts are the figures of all apps since this process started.
type counts struct {
	mu     sync.Mutex
	by     map[counted]*figures
	serves map[string]map[spec.Colour]string // revisions by app's file name and colour
}

type counted struct {
	app      string
	colour   spec.Colour
	revision string
}

type figures struct {
	requests, failures int64
	latency            histogram
}

func newCounts() *counts {
	return &counts{by: map[counted]*figures{}, serves: map[string]map[spec.Colour]string{}}
}

// assign says which revisions have the slots from now on, and forgets those that
// nobody asks for any more.
func (c *counts) assign(s *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := map[counted]bool{}
	for i := range s.Apps {
		a, name := &s.Apps[i], fileOf(s.Apps[i].App)
		c.serves[name] = map[spec.Colour]string{spec.Blue: a.Blue.Revision, spec.Green: a.Green.Revision}
		for _, colour := range []spec.Colour{spec.Blue, spec.Green} {
			kept[counted{name, colour, a.slot(colour).Revision}] = true
			kept[counted{name, colour, a.slot(colour).Before}] = true
		}
	}
	for _, a := range s.Gone {
		name := fileOf(a.App)
		kept[counted{name, spec.Blue, a.Blue.Revision}], kept[counted{name, spec.Green, a.Green.Revision}] = true, true
	}
	for key := range c.by {
		if !kept[key] {
			delete(c.by, key)
		}
	}
}

func (c *counts) add(l line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	revision := c.serves[l.app][l.colour]
	if revision == "" {
		return // of another controller's time, or not ours
	}
	key := counted{l.app, l.colour, revision}
	f := c.by[key]
	if f == nil {
		f = &figures{}
		c.by[key] = f
	}
	f.requests++
	if l.failed {
		f.failures++
	}
	if l.timed {
		f.latency.observe(l.took)
	}
}

func (c *counts) of(app spec.Name, colour spec.Colour, revision string) reconcile.Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := reconcile.Traffic{Colour: colour, Revision: revision}
	if f := c.by[counted{fileOf(app), colour, revision}]; f != nil {
		out.Requests, out.Failures = f.requests, f.failures
		out.P50, out.P95, out.P99 = f.latency.quantile(0.5), f.latency.quantile(0.95), f.latency.quantile(0.99)
	}
	return out
}

// histogram counts durations in buckets an eighth of a power of two wide, from
// 1 µs to 18 min; what lies outside counts as the nearest.
type histogram struct {
	buckets [30 << 3]int64
	total   int64
}

func (h *histogram) observe(d time.Duration) {
	h.total++
	octave := bits.Len64(uint64(max(d, 1))) - 1
	switch {
	case octave < 10:
		h.buckets[0]++
	case octave >= 40:
		h.buckets[len(h.buckets)-1]++
	default:
		h.buckets[(octave-10)<<3|int(uint64(d)>>(octave-3))&7]++
	}
}

// quantile is, in seconds, what the given share of all does not exceed; 0 while
// there are none.
func (h *histogram) quantile(share float64) float64 {
	below := int64(0)
	for i, n := range h.buckets {
		below += n
		if n > 0 && float64(below) >= share*float64(h.total) {
			octave, eighth := i>>3+10, i&7
			start := time.Duration(1<<octave + eighth<<(octave-3))
			return (start + 1<<(octave-4)).Seconds() // the bucket's middle
		}
	}
	return 0
}
