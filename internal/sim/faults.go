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

// Faults configures failures by rate. Rates are between 0 and 1. The seed, the place of
// the conversation and the number of the call decide whether a call fails: the order in
// which calls of several conversations arrive has no influence, and a repeated call is
// drawn anew.
type Faults struct {
	// ErrorRate answers 500 in plain text, without an effect.
	ErrorRate float64 `json:"error_rate,omitempty" yaml:"error_rate"`
	// RateLimitRate answers 429 with a Retry-After of RetryAfter, rounded up to seconds;
	// without the header if RetryAfter is zero. The call has no effect.
	RateLimitRate float64       `json:"rate_limit_rate,omitempty" yaml:"rate_limit_rate"`
	RetryAfter    time.Duration `json:"retry_after,omitempty" yaml:"retry_after"`
	// LostAnswerRate executes the call and then either cuts the connection or answers
	// 500.
	LostAnswerRate float64 `json:"lost_answer_rate,omitempty" yaml:"lost_answer_rate"`
	// SlowRate delays the call by SlowBy before its effect. The effect comes even if the
	// client has gone.
	SlowRate float64       `json:"slow_rate,omitempty" yaml:"slow_rate"`
	SlowBy   time.Duration `json:"slow_by,omitempty" yaml:"slow_by"`
	// MalformedRate executes the call and answers 200 with half a body.
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

// A fault is the failure drawn for one call.
type fault struct {
	refuse    int // the status of a refusal; 0: none
	slow      time.Duration
	lost      bool
	cut       bool // how the answer is lost: by a cut connection, or by a 500
	malformed bool
}

// draw decides the fault of one call. It draws the same number of values always, so that
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

// name is the fault's name in reports. Slowness shows only without another fault.
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
