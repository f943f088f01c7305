package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The operations that faults can be restricted to.
const (
	OpStart     = "start"
	OpResponses = "responses"
	OpEnd       = "end"
	OpItems     = "items"
	OpList      = "list" // simulations and conversations
	OpGet       = "get"  // one simulation, one conversation
)

var operations = []string{OpStart, OpResponses, OpEnd, OpItems, OpList, OpGet}

// Faults is what goes wrong, and how often. Rates are between 0 and 1. Whether
// a call fails is drawn from the seed, the place of the conversation and the
// number of the call: the order in which calls of several conversations arrive
// changes nothing, and a repeated call is drawn anew.
type Faults struct {
	// ErrorRate answers 500 in plain text. Nothing has happened.
	ErrorRate float64 `json:"error_rate,omitempty" yaml:"error_rate"`
	// RateLimitRate answers 429 with a Retry-After of RetryAfter, rounded up to
	// seconds; none if RetryAfter is zero. Nothing has happened.
	RateLimitRate float64       `json:"rate_limit_rate,omitempty" yaml:"rate_limit_rate"`
	RetryAfter    time.Duration `json:"retry_after,omitempty" yaml:"retry_after"`
	// LostAnswerRate does what was asked and then, by turns of fortune, cuts the
	// connection or answers 500.
	LostAnswerRate float64 `json:"lost_answer_rate,omitempty" yaml:"lost_answer_rate"`
	// SlowRate takes SlowBy longer, before anything is stored. What was asked
	// happens in the end, whether or not anybody still listens.
	SlowRate float64       `json:"slow_rate,omitempty" yaml:"slow_rate"`
	SlowBy   time.Duration `json:"slow_by,omitempty" yaml:"slow_by"`
	// MalformedRate does what was asked and answers 200 with half a body.
	MalformedRate float64 `json:"malformed_rate,omitempty" yaml:"malformed_rate"`
	// Only restricts faults to these operations: start, responses, end, items,
	// list, get. Nil: all.
	Only []string `json:"only,omitempty" yaml:"only"`
}

// Validate reports every rate out of range and every unknown operation.
func (f Faults) Validate() error {
	var errs []error
	rates := []struct {
		name string
		rate float64
	}{
		{"error rate", f.ErrorRate}, {"rate limit rate", f.RateLimitRate}, {"lost answer rate", f.LostAnswerRate},
		{"slow rate", f.SlowRate}, {"malformed rate", f.MalformedRate},
	}
	for _, r := range rates {
		if !(r.rate >= 0 && r.rate <= 1) { // also catches NaN
			errs = append(errs, fmt.Errorf("faults: %s %v: must be between 0 and 1", r.name, r.rate))
		}
	}
	if f.RetryAfter < 0 || f.SlowBy < 0 {
		errs = append(errs, errors.New("faults: retry after and slow by must not be negative"))
	}
	for _, op := range f.Only {
		if !slices.Contains(operations, op) {
			errs = append(errs, fmt.Errorf("faults: unknown operation %q: want some of %s", op, strings.Join(operations, ", ")))
		}
	}
	return errors.Join(errs...)
}

// A fault is what is to happen to one call.
type fault struct {
	refuse    int // status to refuse the call with; 0: let it pass
	slow      time.Duration
	lost      bool
	cut       bool // how an answer gets lost: by a cut connection, or by a 500
	malformed bool
}

// draw decides one call's fate. The number of draws is always the same, so that
// changing one rate leaves the other faults where they were.
func (f Faults) draw(op string, key ...any) fault {
	rng := newRand(append([]any{"fault", op}, key...)...)
	var draws [6]float64
	for i := range draws {
		draws[i] = rng.Float64()
	}
	if f.Only != nil && !slices.Contains(f.Only, op) {
		return fault{}
	}
	var out fault
	switch {
	case draws[0] < f.RateLimitRate:
		out.refuse = 429
	case draws[1] < f.ErrorRate:
		out.refuse = 500
	}
	if draws[2] < f.SlowRate {
		out.slow = f.SlowBy
	}
	out.lost = draws[3] < f.LostAnswerRate
	out.cut = draws[4] < 0.5
	out.malformed = !out.lost && draws[5] < f.MalformedRate
	return out
}

// name is how reports call the fault. Slowness shows only if nothing else does.
func (f fault) name() string {
	switch {
	case f.refuse == 429:
		return "rate_limited"
	case f.refuse != 0:
		return "error"
	case f.lost && f.cut:
		return "connection_cut"
	case f.lost:
		return "answer_lost"
	case f.malformed:
		return "malformed"
	case f.slow > 0:
		return "slow"
	default:
		return ""
	}
}
