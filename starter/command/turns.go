package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/records"
)

// turnsText is a table of where the time of each turn went, and under it why attempts
// failed. Empty: there is no timeline.
func turnsText(r records.Record) string {
	if len(r.Timeline) == 0 {
		return ""
	}
	rows := make([][]string, 0, len(r.Timeline))
	var failures strings.Builder
	for _, t := range r.Timeline {
		spent := ""
		if n := t.Usage.InputTokens + t.Usage.OutputTokens; n > 0 {
			spent = fmt.Sprint(n)
		}
		retries := ""
		if t.Retries > 0 {
			retries = fmt.Sprintf("%d (%s)", t.Retries, span(t.Retrying.Duration()))
		}
		model := t.Model
		if model == t.Executor {
			model = ""
		}
		rows = append(rows, []string{
			fmt.Sprint(t.Number), lasted(t.Reply), lasted(t.Tools), lasted(t.Exchange), lasted(t.Waiting), retries, lasted(t.Overhead),
			spent, money(t.Usage.Cost, r.Currency), clip(model, 40),
		})
		for _, s := range t.Steps {
			if f := s.Failure; f != nil {
				fmt.Fprintf(&failures, "turn %d · %s: %s: %s\n", t.Number, s.Kind, clip(string(f.Kind), 40), clip(f.Reason, 300))
			}
		}
	}
	header := []string{"turn", "reply", "tools", otherSide(r), "waiting", "retries", "overhead", "tokens", "cost", "model"}
	return tabulate(header, rows) + failures.String()
}

func lasted(s records.Seconds) string {
	switch d := s.Duration(); {
	case d <= 0:
		return ""
	case d < 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return span(d)
	}
}

// money is an amount in millionths of a currency. Empty: there are no prices.
func money(micros int64, currency string) string {
	if micros == 0 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%.4f %s", float64(micros)/1e6, clip(currency, 8)))
}
