package main

import (
	"fmt"
	"slices"
	"strings"
)

// What is sampled, in the report's words.
const (
	controllerMemory     = "controller, resident memory (MiB)"
	controllerGoroutines = "controller, goroutines"
	controllerFiles      = "controller, open files"
	database             = "teal.db (MiB)"
	proxyMemory          = "proxy, resident memory (MiB)"
	proxyThreads         = "proxy, threads"
	proxyFiles           = "proxy, open files (least)"
	containers           = "containers"
	networks             = "networks"
	volumes              = "volumes"
	images               = "images"
)

// line is one thing that must stay flat: its median in the last third of the
// samples may be above that of the first third by a share and an amount.
type line struct {
	name   string
	share  float64
	amount float64 // of containers it is wide: how many are wanted varies, and what is left over is looked for at every rest
	life   bool    // of the controller's last life only
	floor  bool    // the least value counts, not the median: connections come in bursts and go after minutes
}

var flatLines = []line{
	{controllerMemory, 0.20, 8, true, false},
	{controllerGoroutines, 0.10, 10, true, false},
	{controllerFiles, 0.10, 6, true, false},
	{database, 0.25, 2, false, false},
	{proxyMemory, 0.20, 8, false, false},
	{proxyThreads, 0.20, 6, false, false},
	{proxyFiles, 0.20, 30, false, true},
	{containers, 1, 10, false, false},
	{networks, 0, 0, false, false},
	{volumes, 0, 0, false, false},
	{images, 0, 0, false, false},
}

// thirds is what a trend is judged by.
type thirds struct {
	line
	samples            int
	first, middle, end float64 // medians, or the least values
	most               float64
	limit              float64 // that end may reach
}

// judged reports that there were enough samples to say anything.
func (t thirds) judged() bool { return t.samples >= leastSamples }

// grew reports that it is not flat.
func (t thirds) grew() bool { return t.judged() && t.end > t.limit }

const (
	leastSamples = 12
	warmUp       = 5 // one of so many samples at the beginning does not count
)

// trend splits the samples after the warm-up into thirds. For example
// 9, 10, 10, 11, 10, 12 → medians 10, 10.5 and 11 after one sample of warm-up.
func trend(l line, all []sample) thirds {
	var values []float64
	for _, s := range all {
		if !l.life || s.life == all[len(all)-1].life {
			values = append(values, s.values[l.name])
		}
	}
	out := thirds{line: l, samples: len(values)}
	if len(values) == 0 {
		return out
	}
	out.most = slices.Max(values)
	values = values[len(values)/warmUp:]
	n := len(values)
	of := median
	if l.floor {
		of = least
	}
	out.first, out.middle, out.end = of(values[:(n+2)/3]), of(values[n/3:n-n/3]), of(values[n-(n+2)/3:])
	out.limit = out.first*(1+l.share) + l.amount
	return out
}

func least(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	return slices.Min(of)
}

func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// flatTable is the trend of everything as Markdown.
func flatTable(all []sample) string {
	var out strings.Builder
	out.WriteString("| at rest | samples | first third | middle | last third | most | may reach |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, l := range flatLines {
		t := trend(l, all)
		limit := fmt.Sprintf("%.1f", t.limit)
		if !t.judged() {
			limit = "too few samples"
		}
		if t.grew() {
			limit += " ✖"
		}
		fmt.Fprintf(&out, "| %s | %d | %.1f | %.1f | %.1f | %.1f | %s |\n", l.name, t.samples, t.first, t.middle, t.end, t.most, limit)
	}
	return out.String()
}
