package embedded

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector turns the proxy's counts into metrics when it is asked; requests pay
// nothing for it.
type collector struct{ proxy *Proxy }

var (
	perUpstream  = []string{"project", "service", "colour", "revision"}
	descInFlight = prometheus.NewDesc("teal_proxy_requests_in_flight", "Requests being served.", perUpstream, nil)
	descUpgraded = prometheus.NewDesc("teal_proxy_upgraded_connections", "Upgraded connections (WebSockets and the like).", perUpstream, nil)
	descRequests = prometheus.NewDesc("teal_proxy_requests_total", "Requests that ended, previews not counted.", perUpstream, nil)
	descFailures = prometheus.NewDesc("teal_proxy_failures_total", "Requests answered 5xx or broken by the app.", perUpstream, nil)
	descPreviews = prometheus.NewDesc("teal_proxy_previews_total", "Preview requests that ended.", perUpstream, nil)
	descLatency  = prometheus.NewDesc("teal_proxy_request_duration_seconds", "Time to the end of the response.", perUpstream, nil)
	descHeld     = prometheus.NewDesc("teal_proxy_requests_held", "Requests waiting for an app to come back.", nil, nil)
	descSeq      = prometheus.NewDesc("teal_proxy_table_seq", "Number of the table that is served.", nil, nil)
)

// metricsHandler serves the metrics in Prometheus' text format.
func metricsHandler(p *Proxy) (http.Handler, error) {
	reg := prometheus.NewRegistry()
	if err := reg.Register(collector{proxy: p}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), nil
}

// Describe sends the descriptions of all metrics.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descInFlight, descUpgraded, descRequests, descFailures, descPreviews, descLatency, descHeld, descSeq} {
		out <- d
	}
}

// Collect sends all metrics.
func (c collector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(descHeld, prometheus.GaugeValue, float64(c.proxy.held.Load()))
	out <- prometheus.MustNewConstMetric(descSeq, prometheus.GaugeValue, float64(c.proxy.serving.Load().table.Seq))
	for _, up := range c.proxy.registry.all() {
		labels := []string{up.app.Project, up.app.Service, string(up.colour), up.revision}
		gauge := func(d *prometheus.Desc, v int64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
		}
		counter := func(d *prometheus.Desc, v int64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
		}
		gauge(descInFlight, up.inFlight.Load())
		gauge(descUpgraded, up.upgraded.Load())
		counter(descRequests, up.requests.Load())
		counter(descFailures, up.failures.Load())
		counter(descPreviews, up.previews.Load())
		buckets, total, sum := up.latency.octaves()
		out <- prometheus.MustNewConstHistogram(descLatency, total, sum, buckets, labels...)
	}
}

// octaves returns the histogram with one bucket per power of two, cumulated, as
// Prometheus wants it.
func (h *histogram) octaves() (buckets map[float64]uint64, total uint64, sum float64) {
	counts, _ := h.counts()
	buckets = make(map[float64]uint64, histogramOctaves)
	for i, n := range counts {
		total += uint64(n)
		if i&(1<<histogramSub-1) == 1<<histogramSub-1 {
			buckets[bucketEnd(i).Seconds()] = total
		}
	}
	return buckets, total, float64(h.sum.Load()) / 1e9
}
