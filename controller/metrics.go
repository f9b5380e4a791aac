package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"teal/reconcile"
)

// metrics are what the controller counts about itself.
type metrics struct {
	passes   *prometheus.CounterVec
	duration prometheus.Histogram
	steps    *prometheus.CounterVec
	panics   prometheus.Counter
	hosts    *prometheus.GaugeVec
	images   prometheus.Counter
	bytes    prometheus.Counter
}

// newMetrics makes the metrics and registers them unless reg is nil.
func newMetrics(reg prometheus.Registerer, length func() int) *metrics {
	m := &metrics{
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "teal", Name: "passes_total", Help: "Passes by result (ok, failed).",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "teal", Name: "pass_duration_seconds", Help: "How long passes took, effects included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "teal", Name: "steps_total", Help: "Steps by kind and result (ok, infra, permanent, verdict).",
		}, []string{"kind", "result"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "teal", Name: "panics_total", Help: "Panics that were survived; each is a defect.",
		}),
		hosts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "teal", Name: "host_up", Help: "1 while a host answers, 0 while it is away; once it has been away.",
		}, []string{"host"}),
		images: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "teal", Name: "images_removed_total", Help: "Images of earlier versions that were removed.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "teal", Name: "images_removed_bytes_total", Help: "Their size, layers shared with others included.",
		}),
	}
	if reg != nil {
		queued := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "teal", Name: "queue_length", Help: "Apps that are due and wait for a place.",
		}, func() float64 { return float64(length()) })
		reg.MustRegister(m.passes, m.duration, m.steps, m.panics, m.hosts, m.images, m.bytes, queued)
	}
	return m
}

func (m *metrics) passed(took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.passes.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) stepped(kind reconcile.StepKind, out reconcile.Outcome) {
	result := "ok"
	if out.Failure != nil {
		result = string(out.Failure.Class)
	}
	m.steps.WithLabelValues(string(kind), result).Inc()
}

func (m *metrics) host(name string, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.hosts.WithLabelValues(name).Set(value)
}

// appsByCondition is asked at every scrape how many apps are in which state.
type appsByCondition struct {
	desc  *prometheus.Desc
	count func() map[[2]string]int // condition, reason → apps
}

func newAppsByCondition(count func() map[[2]string]int) *appsByCondition {
	return &appsByCondition{
		desc: prometheus.NewDesc("teal_apps", "Apps by condition (serving, synced) and its reason; empty: it holds.",
			[]string{"condition", "reason"}, nil),
		count: count,
	}
}

// Describe implements [prometheus.Collector].
func (a *appsByCondition) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect implements [prometheus.Collector].
func (a *appsByCondition) Collect(ch chan<- prometheus.Metric) {
	for k, n := range a.count() {
		ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, float64(n), k[0], k[1])
	}
}
