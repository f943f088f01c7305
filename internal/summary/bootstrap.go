package summary

import (
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

const (
	// minSamples is the fewest values from which an interval is estimated.
	minSamples = 5
	resamples  = 2000
	confidence = 0.95
	// seed makes the same input give the same interval.
	seed = 20260115
)

// An Interval is a percentile-bootstrap confidence interval of 95 %.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// excludesZero reports whether all of the interval is on one side of zero.
func (i Interval) excludesZero() bool { return i.Low > 0 || i.High < 0 }

// pairedInterval is that of the mean of differences: of one value before and one after for
// each persona.
func pairedInterval(differences []float64) *Interval {
	if len(differences) < minSamples {
		return nil
	}
	return bootstrap(func(r *rand.Rand) float64 { return resampledMean(r, differences) })
}

// unpairedInterval is that of the difference of two means.
func unpairedInterval(before, after []float64) *Interval {
	if len(before) < minSamples || len(after) < minSamples {
		return nil
	}
	return bootstrap(func(r *rand.Rand) float64 { return resampledMean(r, after) - resampledMean(r, before) })
}

func bootstrap(draw func(*rand.Rand) float64) *Interval {
	r := rand.New(rand.NewPCG(seed, seed)) // nolint:gosec // a fixed seed is the purpose
	means := make([]float64, resamples)
	for i := range means {
		means[i] = draw(r)
	}
	slices.Sort(means)
	tail := (1 - confidence) / 2
	return &Interval{Low: stat.Quantile(tail, stat.Empirical, means, nil), High: stat.Quantile(1-tail, stat.Empirical, means, nil)}
}

func resampledMean(r *rand.Rand, values []float64) float64 {
	total := 0.0
	for range values {
		total += values[r.IntN(len(values))]
	}
	return total / float64(len(values))
}
