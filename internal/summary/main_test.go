package summary_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/summary"
)

// run makes cases of n personas, one each, with some variation that is the same every time.
// slower is added to each reply.
func run(n int, slower float64, change func(i int, c *summary.Case)) []summary.Case {
	r := rand.New(rand.NewPCG(1, 2))
	cases := make([]summary.Case, n)
	for i := range cases {
		c := &cases[i]
		*c = summary.Case{
			ID: fmt.Sprintf("onerun/pr/cv%d", i), Persona: fmt.Sprintf("persona %d", i), Status: "closed", Timed: true,
			Outcome: conversation.OutcomeEnded, EndedBy: conversation.EndedByPersona, Turns: 2 + i%3,
			Started: time.Date(2026, 1, 15, 9, 0, i, 0, time.UTC), Seconds: 10, Currency: "USD",
			Usage: conversation.Usage{InputTokens: 100 + int64(i%7), OutputTokens: 20, Calls: 3, Cost: 1500},
		}
		for range c.Turns {
			c.Reply = append(c.Reply, 1+r.Float64()+slower)
			c.Exchange = append(c.Exchange, 0.5)
			c.Overhead = append(c.Overhead, 0.05)
		}
		if change != nil {
			change(i, c)
		}
	}
	return cases
}
