package assemble_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/budget"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/assemble"
)

// A longer delay than an activity waits for would park a conversation that only
// has to queue.
func TestQueuesDoNotPark(t *testing.T) {
	t.Parallel()
	require.Less(t, limit.LongestDelay, activities.LongestRetryDelay)
}

// A vendor is a server that speaks as any of them: it answers "Hi" for 12 tokens,
// or with the status it is set to.
type vendor struct {
	*httptest.Server
	status atomic.Int64
	asked  atomic.Int64
}

func startVendor(t *testing.T, headers ...string) *vendor {
	t.Helper()
	v := &vendor{}
	v.status.Store(http.StatusOK)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		v.asked.Add(1)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(v.status.Load()))
		switch {
		case v.status.Load() != http.StatusOK:
			_, _ = io.WriteString(w, `{"error": {"message": "no"}}`)
		case strings.HasSuffix(r.URL.Path, "/chat/completions"):
			_, _ = io.WriteString(w, `{"id": "x", "object": "chat.completion", "model": "m",
				"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
				"usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}`)
		case strings.HasSuffix(r.URL.Path, "/messages"):
			_, _ = io.WriteString(w, `{"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
				"content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 8, "output_tokens": 4}}`)
		case strings.HasSuffix(r.URL.Path, ":generateContent"):
			_, _ = io.WriteString(w, `{"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
				"usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 4, "totalTokenCount": 12}}`)
		default:
			_, _ = io.WriteString(w, `{"message": {"text": "Hi"}, "usage": {"input_tokens": 8, "output_tokens": 4}}`)
		}
	}))
	t.Cleanup(v.Close)
	return v
}

const agentOnOneRun = `
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}"}
agents:
  desk: {project: p1, agent: a1, executor: %s}
executors:
`

// load assembles executors, with VENDOR as the address of the vendor.
func load(t *testing.T, v *vendor, speaks, yaml string) *assemble.Assembly {
	t.Helper()
	a, err := assemble.Load(source(fmt.Sprintf(agentOnOneRun, speaks)+yaml, environment(v)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func environment(v *vendor) map[string]string {
	env := map[string]string{"KEY": "s3cret-one", "OTHER_KEY": "s3cret-two", "VENDOR": "http://127.0.0.1:1"}
	if v != nil {
		env["VENDOR"] = v.URL
	}
	return env
}

var conversations atomic.Int64

// ask has an executor answer in a conversation of its own.
func ask(t *testing.T, a *assemble.Assembly, name string, attempt ...int) error {
	t.Helper()
	e, err := a.Executors.Get(name)
	require.NoError(t, err)
	req := executortest.Request(fmt.Sprintf("c%d", conversations.Add(1)), "Hello")
	if len(attempt) > 0 {
		req.Attempt = attempt[0]
	}
	_, err = e.Execute(t.Context(), req)
	return err
}

// Executors with the same key at the same address share a rate limit, whatever
// their models and however the address is written; those with another do not.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	v := startVendor(t)
	a := load(t, v, "gpt", `
  gpt: {type: openai, model: a, base_url: "${VENDOR}/v1", api_key: "${KEY}", stream: false, limits: {requests_per_minute: 6, max_wait: 1ms}}
  mini: {type: openai, model: b, base_url: "${VENDOR}/v1/", headers: {authorization: "${KEY}"}, stream: false, limits: {max_wait: 1ms}}
  other: {type: openai, model: a, base_url: "${VENDOR}/v1", api_key: "${OTHER_KEY}", stream: false, limits: {requests_per_minute: 6, max_wait: 1ms}}
  apart: {type: openai, model: a, base_url: "${VENDOR}/v1", api_key: "${KEY}", stream: false, limits: {requests_per_minute: 6, max_wait: 1ms, quota: apart}}
  unsaid: {type: openai, model: a, base_url: "${VENDOR}/v1", api_key: "${KEY}", stream: false}
`)
	require.NoError(t, ask(t, a, "gpt")) // the one that may go at once
	err := ask(t, a, "mini")
	require.ErrorIs(t, err, limit.ErrQueued)
	require.NotContains(t, err.Error(), "s3cret")
	require.ErrorIs(t, ask(t, a, "gpt"), limit.ErrQueued)
	require.NoError(t, ask(t, a, "other"))
	require.NoError(t, ask(t, a, "apart"))
	require.ErrorIs(t, ask(t, a, "unsaid"), limit.ErrQueued)
	require.EqualValues(t, 3, v.asked.Load())
}

// An executor without limits in its settings is limited all the same, one that costs
// nothing is not.
func TestLimitsByDefault(t *testing.T) {
	t.Parallel()
	v := startVendor(t)
	a := load(t, v, "gpt", `
  gpt: {type: openai, model: a, base_url: "${VENDOR}/v1", api_key: "${KEY}"}
  program: {type: command, command: [cat], processes: 3, concurrency: 2}
  agent: {type: http, url: "${VENDOR}"}
  script: {type: scripted}
`)
	for name, limited := range map[string]bool{"gpt": true, "program": true, "agent": true, "script": false} {
		_, e, err := a.Executors.Resolve(t.Context(), name)
		require.NoError(t, err)
		_, ok := executors.As[*limit.Executor](e)
		require.Equal(t, limited, ok, name)
		require.Equal(t, name == "gpt", executors.TakesTools(e), "%s: optional powers are kept", name)
	}
}

// Every backend that talks HTTP passes on what its provider says of its limits.
func TestLimitsAreLearned(t *testing.T) {
	t.Parallel()
	openai := []string{"X-Ratelimit-Limit-Requests", "1", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "1m"}
	for kind, tc := range map[string]struct {
		settings string
		headers  []string
	}{
		"openai": {`model: m, base_url: "${VENDOR}/v1", stream: false`, openai},
		"anthropic": {`model: m, base_url: "${VENDOR}", stream: false`, []string{
			"Anthropic-Ratelimit-Requests-Limit", "1", "Anthropic-Ratelimit-Requests-Remaining", "0",
			"Anthropic-Ratelimit-Requests-Reset", time.Now().Add(time.Minute).Format(time.RFC3339),
		}},
		"gemini": {`model: m, base_url: "${VENDOR}", stream: false`, openai},
		"http":   {`url: "${VENDOR}/reply"`, openai},
	} {
		for status, failed := range map[int]bool{http.StatusOK: false, http.StatusBadGateway: true} {
			t.Run(fmt.Sprintf("%s/%d", kind, status), func(t *testing.T) {
				t.Parallel()
				v := startVendor(t, tc.headers...)
				v.status.Store(int64(status))
				a := load(t, v, "it", fmt.Sprintf("  it: {type: %s, %s, limits: {}}\n", kind, tc.settings))
				require.Equal(t, failed, ask(t, a, "it") != nil)
				require.ErrorIs(t, ask(t, a, "it"), limit.ErrQueued)
				require.EqualValues(t, 1, v.asked.Load())
			})
		}
	}
}

// A budget is shared by those that name it. What waits for its turn is not booked.
func TestBudgetsAreShared(t *testing.T) {
	t.Parallel()
	v := startVendor(t)
	a := load(t, v, "gpt", `
  gpt:
    type: openai
    model: m
    base_url: ${VENDOR}/v1
    stream: false
    limits: {requests_per_minute: 6, max_wait: 1ms}
    budget: {name: support, day: {tokens: 10}, prices: {m: {input: 0.40, output: 1.60}}}
  mini: {type: http, url: "${VENDOR}/reply", budget: {name: support}}
  own: {type: http, url: "${VENDOR}/reply", budget: {day: {tokens: 10}}}
`)
	require.True(t, conversation.IsKind(ask(t, a, "own"), conversation.Unavailable), "nothing is spent before there is a ledger")
	require.Zero(t, v.asked.Load())
	ledger := budget.NewMemory()
	a.KeepBudgets(ledger)

	gpt, err := a.Executors.Get("gpt")
	require.NoError(t, err)
	result, err := gpt.Execute(t.Context(), executortest.Request("priced", "Hello"))
	require.NoError(t, err)
	require.EqualValues(t, 10, result.Usage.Cost, "8 tokens read and 4 written, rounded up")
	account := budget.Account{Name: "support", Day: time.Now().UTC().Format(time.DateOnly)}
	total, err := ledger.Total(t.Context(), account)
	require.NoError(t, err)
	require.EqualValues(t, 12, total.Tokens)

	require.ErrorIs(t, ask(t, a, "gpt"), limit.ErrQueued)
	after, err := ledger.Total(t.Context(), account)
	require.NoError(t, err)
	require.Equal(t, total, after)
	require.True(t, conversation.IsKind(ask(t, a, "mini"), conversation.BudgetSpent))
	require.NoError(t, ask(t, a, "own"))
	require.EqualValues(t, 2, v.asked.Load())
}

// Links keep their own limits and budgets; chains share the breakers.
func TestChains(t *testing.T) {
	t.Parallel()
	v := startVendor(t)
	v.status.Store(http.StatusBadGateway)
	a := load(t, v, "outer", `
  outer: {type: failover, links: [first, spare], attempts: 9}
  first: {type: failover, links: [gpt], breaker: {failures: 3, open_for: 1h}}
  second: {type: failover, links: [same, spare], breaker: {failures: 3, open_for: 1h}}
  gpt: {type: openai, model: a, base_url: "${VENDOR}/v1", stream: false}
  same: {type: openai, model: b, base_url: "${VENDOR}/v1", stream: false}
  spare: {type: scripted, budget: {day: {tokens: 5000}}}
`)
	a.KeepBudgets(budget.NewMemory())
	for range 3 {
		require.Error(t, ask(t, a, "gpt")) // no chain: no breaker
		require.True(t, conversation.IsKind(ask(t, a, "first"), conversation.Unavailable))
	}
	require.EqualValues(t, 6, v.asked.Load())
	require.NoError(t, ask(t, a, "second"))
	require.NoError(t, ask(t, a, "outer"), "a link that asks for an hour is passed over")
	require.EqualValues(t, 6, v.asked.Load(), "the breaker is the provider's, whichever chain has opened it")

	var order []string
	for _, l := range a.Executors.List(t.Context()) {
		order = append(order, l.Name)
	}
	require.Equal(t, []string{"outer", "first", "second", "gpt", "same", "spare"}, order)
}

// A program's own executor can be a link.
func TestChainOfOnesOwn(t *testing.T) {
	t.Parallel()
	backends := assemble.Builtin()
	backends.Given.Executors = map[string]executors.Executor{"mine": &executortest.Fake{}}
	a, err := assemble.LoadWith(source(fmt.Sprintf(agentOnOneRun, "chain")+`
  chain: {type: failover, links: [mine, script]}
  script: {type: scripted}
`, environment(nil)), backends)
	require.NoError(t, err)
	require.NoError(t, ask(t, a, "chain"))
}

func TestBudgetOfAnAgentHasTheCurrency(t *testing.T) {
	t.Parallel()
	prices := `prices: {m: {input: 1, output: 1}}`
	for name, tc := range map[string]struct{ executors, agent, want string }{
		"Own":     {"  gpt: {type: http, url: \"http://a\", budget: {currency: EUR, " + prices + "}}", "gpt", "EUR"},
		"Default": {"  gpt: {type: http, url: \"http://a\", budget: {" + prices + "}}", "gpt", "USD"},
		"Chain": {"  gpt: {type: http, url: \"http://a\", budget: {currency: EUR, " + prices + "}}\n  script: {type: scripted}\n" +
			"  chain: {type: failover, links: [script, gpt]}", "chain", "EUR"},
		"Auto": {"  script: {type: scripted}\n  gpt: {type: http, url: \"http://a\", budget: {currency: EUR, " + prices + "}}", "auto", "EUR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := assemble.Load(source(strings.Replace(fmt.Sprintf(agentOnOneRun, tc.agent), "executor:", "budget: {money: 0.5}, executor:", 1)+tc.executors, environment(nil)))
			require.NoError(t, err)
			require.Equal(t, tc.want, a.Inboxes[0].Settings.Policy.Currency)
			require.EqualValues(t, 500_000, a.Inboxes[0].Settings.Policy.MaxCost)
		})
	}
}

func TestFaultsOfWrappers(t *testing.T) {
	t.Parallel()
	gpt := "  gpt: {type: openai, model: m, api_key: \"${KEY}\""
	for name, tc := range map[string]struct {
		executors string
		want      []string
	}{
		"Limits": {`
  gpt:
    type: openai
    model: m
    limits:
      concurrency: -2
      requests_per_minute: -2
      tokens_per_minute: many
      max_wait: 2m
      burst: 3
  odd: {type: scripted, limits: 5}
`, []string{
			"executors.gpt.limits.concurrency is -2: write 1 or more, -1 for no bound, or leave it out",
			"executors.gpt.limits.requests_per_minute is -2: write 1 or more, or leave it out",
			`executors.gpt.limits.tokens_per_minute is "many": write a whole number`,
			"executors.gpt.limits.max_wait is 2m0s: write more than 0 and at most 1m",
			"executors.gpt.limits.burst is no setting of limits: there are concurrency, max_wait, quota, requests_per_minute, tokens_per_minute",
			`executors.odd.limits is "5": it must be a mapping of settings`,
		}},
		"LimitsDisagree": {gpt + ", limits: {concurrency: 1}}\n" + strings.Replace(gpt, "gpt", "mini", 1) + ", limits: {concurrency: 2}}\n", []string{
			"executors.mini.limits.concurrency is 2 here and 1 at another executor with the same quota, openai https://api.openai.com/v1 (key " +
				limit.Fingerprint("s3cret-one") + "): write the same number, or name the quotas differently with quota",
		}},
		"BesideOthers": {"  gpt: {type: openai, limits: {concurrency: -2}, budget: {time_zone: Mars/Base}}\n", []string{
			"executors.gpt.model is empty: name the model to ask",
			`executors.gpt.budget.time_zone is "Mars/Base": write one like Europe/Berlin, or leave it out for UTC`,
			"executors.gpt.limits.concurrency is -2: write 1 or more, -1 for no bound, or leave it out",
		}},
		"Budget": {`
  gpt:
    type: scripted
    budget:
      name: a/b
      day: {tokens: -1, money: 5, year: 1}
      prices:
        "m*x": {input: 1, output: 1}
        n: {input: -1, output: 0.0000001}
`, []string{
			`executors.gpt.budget.name is "a/b": write a name without "/"`,
			"executors.gpt.budget.day.year is no setting of executors.gpt.budget.day: there are money, tokens",
			"executors.gpt.budget.day.tokens is -1: write 1 or more, or leave it out",
			"executors.gpt.budget.prices.m*x is no name of a model: an asterisk may stand at its end",
			"executors.gpt.budget.prices.n.input is -1.00: write 0 or more",
			`executors.gpt.budget.prices.n.output: "0.0000001" is no amount of money: at most six places are possible`,
		}},
		"MoneyWithoutPrices": {"  gpt: {type: scripted, budget: {day: {money: 5}}}\n", []string{
			"executors.gpt.budget.day.money is limited, but there are no prices: add prices, or limit tokens",
		}},
		"BudgetsDisagree": {"  gpt: {type: scripted, budget: {name: x, day: {tokens: 5}, time_zone: UTC}}\n" +
			"  mini: {type: scripted, budget: {name: x, day: {tokens: 6}, time_zone: Europe/Berlin, currency: EUR}}\n", []string{
			`executors.mini.budget.day is not what another executor says of the budget "x": write it once, or give one of them a name of its own`,
			`executors.mini.budget.time_zone is not what another executor says of the budget "x": write it once, or give one of them a name of its own`,
		}},
		"Chain": {`
  gpt:
    type: failover
    links: [gtp, auto, script, script]
    attempts: -1
    max_delay: -1s
    switch_on: [Tired]
    breaker: {failures: -1, open_for: -1s}
    limits: {}
    budget: {day: {tokens: 5}}
  script: {type: scripted}
  mini: {type: failover}
`, []string{
			`executors.gpt.links[1] is "auto": write the name of an executor`,
			`executors.gpt.links[3] is "script", which is there twice: take one out`,
			`executors.gpt.links[0] is "gtp", which is not among the executors: there are script, mini`,
			"executors.gpt.attempts is -1: write 1 or more, or leave it out",
			"executors.gpt.max_delay is -1s: write more than 0, or leave it out",
			`executors.gpt.switch_on[0] is "Tired", which is no kind of failure: use RateLimited, QuotaExhausted, Unauthorized, Unavailable, ContextTooLong, Refused, Invalid or BudgetSpent`,
			"executors.gpt.breaker.failures is -1: write 1 or more, or leave it out",
			"executors.gpt.breaker.open_for is -1s: write more than 0, or leave it out",
			"executors.gpt.limits is not for a chain: write it at its links",
			"executors.gpt.budget is not for a chain: write it at its links",
			"executors.mini.links is empty: name the executors, the preferred first",
		}},
		"Circle": {"  gpt: {type: failover, links: [script, mini]}\n  mini: {type: failover, links: [gpt]}\n" +
			"  self: {type: failover, links: [self]}\n  outside: {type: failover, links: [mini]}\n  script: {type: scripted}\n", []string{
			"executors.gpt.links lead back to where they begin: gpt → mini → gpt",
			"executors.self.links lead back to where they begin: self → self",
		}},
		"LinkAtFault": {"  gpt: {type: failover, links: [mini]}\n  mini: {type: openai}\n", []string{
			"executors.mini.model is empty: name the model to ask",
		}},
		"UnknownType": {"  gpt: {type: opeanai, limits: {concurrency: -2}}\n", []string{
			`executors.gpt.type is "opeanai": write one of a2a, anthropic, command, failover, gemini, http, iii, openai, runagent, scripted`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := assemble.Load(source(fmt.Sprintf(agentOnOneRun, "gpt")+tc.executors, environment(nil)))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cret")
			require.ElementsMatch(t, tc.want, withoutPlaces(err))
		})
	}
}

func TestMoneyNeedsPrices(t *testing.T) {
	t.Parallel()
	prices := `prices: {m: {input: 1, output: 1}}`
	_, err := assemble.Load(source(`
platforms:
  main: {type: onerun, base_url: "http://127.0.0.1:1", api_key: "${KEY}"}
agents:
  a: {project: p1, agent: a1, executor: script, budget: {money: 1}}
  b: {project: p1, agent: a2, executor: eur, executors: [usd], budget: {money: 1}}
  c: {project: p1, agent: a3, executor: chain, budget: {money: 1}}
  d: {project: p1, agent: a4, executor: script, budget: {tokens: 1}}
executors:
  script: {type: scripted}
  eur: {type: scripted, budget: {currency: EUR, `+prices+`}}
  usd: {type: scripted, budget: {`+prices+`}}
  chain: {type: failover, links: [script]}
`, environment(nil)))
	require.Error(t, err)
	require.Equal(t, []string{
		`agents.a.budget.money is limited, but no prices are known for executor "script": add them to its budget, or limit tokens`,
		"agents.b.budget.money is an amount in one currency, but its executors count in EUR and USD, and nothing is converted: limit tokens",
		`agents.c.budget.money is limited, but no prices are known for executor "chain": add them to its budget, or limit tokens`,
	}, withoutPlaces(err))
}

// withoutPlaces are the faults without file and line.
func withoutPlaces(err error) []string {
	var lines []string
	for _, line := range strings.Split(err.Error(), "\n") {
		_, rest, _ := strings.Cut(line, ": ")
		lines = append(lines, rest)
	}
	return lines
}
