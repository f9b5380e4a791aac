package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"teal/store"
)

// recordsSize tells at every scrape how large the records are.
type recordsSize struct {
	db         *store.DB
	log        *slog.Logger
	file, free *prometheus.Desc
}

func newRecordsSize(db *store.DB, log *slog.Logger) *recordsSize {
	return &recordsSize{
		db: db, log: log,
		file: prometheus.NewDesc("teal_records_bytes", "Size of the file with the records.", nil, nil),
		free: prometheus.NewDesc("teal_records_free_bytes", "What of it has no content and is used again.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (r *recordsSize) Describe(ch chan<- *prometheus.Desc) { ch <- r.file; ch <- r.free }

// Collect implements [prometheus.Collector].
func (r *recordsSize) Collect(ch chan<- prometheus.Metric) {
	size, err := r.db.Size()
	if err != nil {
		r.log.Debug("records were not measured", "error", err)
		return
	}
	ch <- prometheus.MustNewConstMetric(r.file, prometheus.GaugeValue, float64(size.File))
	ch <- prometheus.MustNewConstMetric(r.free, prometheus.GaugeValue, float64(size.Free))
}
