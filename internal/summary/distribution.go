package summary

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A Distribution describes values by their mean and their nearest-rank percentiles: each
// percentile is a value that occurred. Without values all are zero.
type Distribution struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Distribute describes values. It does not change them.
func Distribute(values []float64) Distribution {
	if len(values) == 0 {
		return Distribution{}
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(p float64) float64 { return stat.Quantile(p, stat.Empirical, sorted, nil) }
	return Distribution{
		N: len(sorted), Mean: stat.Mean(sorted, nil), Min: sorted[0],
		P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), Max: sorted[len(sorted)-1],
	}
}
