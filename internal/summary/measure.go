package summary

import "gonum.org/v1/gonum/stat"

// A Unit says how a measure is written.
type Unit string

// The units.
const (
	Rate    Unit = "rate" // from 0 to 1
	Seconds Unit = "seconds"
	Plain   Unit = "number"
	Micros  Unit = "micros" // millionths of Measure.Currency
)

// A Measure is one figure of a conversation that two runs are compared by.
type Measure struct {
	// Name is stable: "failure_rate", "score", "reply_seconds", …
	Name string `json:"measure"`
	Unit Unit   `json:"unit"`
	// Currency is that of money.
	Currency string `json:"currency,omitempty"`
	// Worse is 1 if a rise is worse, -1 if a fall is, and 0 if neither is: a difference is
	// shown, but is no regression.
	Worse int `json:"worse"`

	of func(Case) (float64, bool)
}

// failureRate is the measure that decides alone, however few conversations there are.
const failureRate = "failure_rate"

// measures are those of cases by some rules.
func measures(rules Rules, currencies []string) []Measure {
	mean := func(values func(Case) []float64) func(Case) (float64, bool) {
		return func(c Case) (float64, bool) {
			if len(values(c)) == 0 {
				return 0, false
			}
			return stat.Mean(values(c), nil), true
		}
	}
	out := []Measure{
		{Name: failureRate, Unit: Rate, Worse: 1, of: func(c Case) (float64, bool) {
			switch rules.Class(c) {
			case Failed:
				return 1, true
			case Passed:
				return 0, true
			}
			return 0, false
		}},
		{Name: "score", Unit: Rate, Worse: -1, of: Case.Score},
		{Name: "reply_seconds", Unit: Seconds, Worse: 1, of: mean(func(c Case) []float64 { return c.Reply })},
		{Name: "exchange_seconds", Unit: Seconds, of: mean(func(c Case) []float64 { return c.Exchange })},
		{Name: "overhead_seconds", Unit: Seconds, Worse: 1, of: mean(func(c Case) []float64 { return c.Overhead })},
		{Name: "turns", Unit: Plain, of: func(c Case) (float64, bool) { return float64(c.Turns), true }},
		{Name: "tokens", Unit: Plain, Worse: 1, of: func(c Case) (float64, bool) { return float64(c.Tokens()), true }},
		{Name: "retries", Unit: Plain, Worse: 1, of: func(c Case) (float64, bool) { return float64(c.Retries), c.Timed }},
	}
	for _, currency := range currencies {
		out = append(out, Measure{Name: "cost", Unit: Micros, Currency: currency, Worse: 1, of: func(c Case) (float64, bool) {
			return float64(c.Usage.Cost), c.Currency == currency && c.Usage.Cost != 0
		}})
	}
	return out
}

// valuesOf are the values of the cases that have one.
func valuesOf(m Measure, cases []Case) []float64 {
	var out []float64
	for _, c := range cases {
		if v, ok := m.of(c); ok {
			out = append(out, v)
		}
	}
	return out
}
