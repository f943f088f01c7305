package budget

import (
	"maps"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// A Price is what a model costs for a million tokens.
type Price struct {
	Input  Money `yaml:"input"`
	Output Money `yaml:"output"`
	// CachedInput is for input tokens that the provider had in its cache. Default:
	// Input.
	CachedInput *Money `yaml:"cached_input"`
	// CacheWrite is for input tokens that the provider put into its cache. Default:
	// Input.
	CacheWrite *Money `yaml:"cache_write"`
}

const million = 1_000_000

// Cost is what a usage costs, rounded up to the millionth.
func (p Price) Cost(u conversation.Usage) Money {
	cached, written := p.Input, p.Input
	if p.CachedInput != nil {
		cached = *p.CachedInput
	}
	if p.CacheWrite != nil {
		written = *p.CacheWrite
	}
	fromCache := min(max(0, u.CachedInputTokens), u.InputTokens)
	toCache := min(max(0, u.CacheWriteTokens), u.InputTokens-fromCache)
	var hi, lo uint64
	for _, part := range []struct {
		tokens int64
		price  Money
	}{{u.InputTokens - fromCache - toCache, p.Input}, {fromCache, cached}, {toCache, written}, {u.OutputTokens, p.Output}} {
		h, l := bits.Mul64(uint64(max(0, part.tokens)), uint64(max(0, part.price)))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	var carry uint64
	lo, carry = bits.Add64(lo, million-1, 0)
	hi += carry
	if hi >= million {
		return math.MaxInt64
	}
	sum, _ := bits.Div64(hi, lo, million)
	return Money(min(sum, math.MaxInt64))
}

// Prices are the prices of models by name: "gpt-4.1-mini", also as
// "openai/gpt-4.1-mini", or "gpt-4.1-mini*" for all names that begin so.
type Prices map[string]Price

// dated are the ends of names that providers add to say which edition answered.
var dated = regexp.MustCompile(`^-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$`)

// Find returns the price of a model. The longest name that fits is meant; one
// with the provider counts more than one without. A model's dated editions cost
// what the model costs.
func (p Prices) Find(provider, model string) (Price, bool) {
	if model == "" {
		return Price{}, false
	}
	for _, full := range []string{provider + "/" + model, model} {
		best := ""
		for _, name := range slices.Sorted(maps.Keys(p)) {
			if fits(name, full) && len(name) > len(best) {
				best = name
			}
		}
		if best != "" {
			return p[best], true
		}
	}
	return Price{}, false
}

func fits(name, model string) bool {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return strings.HasPrefix(model, prefix)
	}
	rest, ok := strings.CutPrefix(model, name)
	return ok && (rest == "" || dated.MatchString(rest))
}
