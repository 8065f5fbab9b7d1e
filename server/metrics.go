package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pawl-dev/pawl/reconcile"
	"github.com/pawl-dev/pawl/store"
)

// metrics are read from the store when they are asked for: what the API shows
// and what is measured cannot differ.
type metrics struct {
	store *store.Store
	reg   *prometheus.Registry
}

var (
	runsDesc     = prometheus.NewDesc("pawl_runs", "Runs by namespace and phase.", []string{"namespace", "phase"}, nil)
	refusedDesc  = prometheus.NewDesc("pawl_application_refused", "1 while the newest commit is refused.", []string{"application"}, nil)
	syncedDesc   = prometheus.NewDesc("pawl_application_synced_timestamp_seconds", "When the commit in force was synced.", []string{"application"}, nil)
	deployedDesc = prometheus.NewDesc("pawl_stage_version", "Version of the model that a stage serves.", []string{"namespace", "model", "stage"}, nil)
)

func newMetrics(st *store.Store) *metrics {
	m := &metrics{store: st, reg: prometheus.NewRegistry()}
	m.reg.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{runsDesc, refusedDesc, syncedDesc, deployedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	runs, err := m.store.ListRuns(ctx, store.RunFilter{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(runsDesc, err)
		return
	}
	type key struct{ namespace, phase string }
	counts := map[key]int{}
	for _, r := range runs {
		counts[key{r.Namespace, r.Status.Phase}]++
	}
	for k, n := range counts {
		gauge(runsDesc, float64(n), k.namespace, k.phase)
	}
	apps, err := reconcile.Applications(ctx, m.store)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(refusedDesc, err)
		return
	}
	for _, a := range apps {
		refused := 0.0
		if a.Refused != nil {
			refused = 1
		}
		gauge(refusedDesc, refused, a.Name)
		if a.Synced != nil {
			gauge(syncedDesc, float64(a.Synced.At.Unix()), a.Name)
		}
	}
	stages, err := reconcile.Stages(ctx, m.store)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(deployedDesc, err)
		return
	}
	for _, s := range stages {
		if s.Deployed != nil {
			gauge(deployedDesc, float64(s.Deployed.Number), s.Namespace, s.Model, s.Stage)
		}
	}
}
