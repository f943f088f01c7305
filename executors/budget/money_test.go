package budget_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/budget"
)

func TestParseMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]budget.Money{
		"0": 0, "1": budget.One, "2.5": 2_500_000, "0.000001": 1, "0.10": 100_000, "-3.25": -3_250_000,
		"9223372036854.775807": math.MaxInt64,
	} {
		got, err := budget.ParseMoney(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
		again, err := budget.ParseMoney(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again, "%s reads as it is written", got)
	}
	for _, in := range []string{"", ".", "1.", ".5", "1e3", "+1", "--1", "1,5", "0.0000001", "9223372036854.775808", "NaN", "12 "} {
		_, err := budget.ParseMoney(in)
		require.ErrorContains(t, err, "is no amount of money", in)
	}
	require.Equal(t, "-9223372036854.775808", budget.Money(math.MinInt64).String())
	require.Equal(t, "2.50", budget.Money(2_500_000).String())
	require.Equal(t, budget.Money(math.MaxInt64), budget.Money(math.MaxInt64-1).Add(5))
}

func TestConfigAsItIsWritten(t *testing.T) {
	t.Parallel()
	var cfg budget.Config
	require.NoError(t, yaml.Unmarshal([]byte(`
name: support
day: {tokens: 5000000, money: 20}
time_zone: Europe/Berlin
currency: EUR
prices:
  gpt-4.1-mini: {input: 0.40, cached_input: 0.10, output: 1.60}
  gpt-4.1-nano: {input: "0.10", output: 0.4}
  claude: {input: 1, cached_input: 0.10, cache_write: 1.25, output: 5}
`), &cfg))
	cached, written := budget.Money(100_000), budget.Money(1_250_000)
	require.Equal(t, budget.Config{
		Name: "support", Day: budget.Limits{Tokens: 5_000_000, Money: 20 * budget.One}, TimeZone: "Europe/Berlin", Currency: "EUR",
		Prices: budget.Prices{
			"gpt-4.1-mini": {Input: 400_000, CachedInput: &cached, Output: 1_600_000},
			"gpt-4.1-nano": {Input: 100_000, Output: 400_000},
			"claude":       {Input: budget.One, CachedInput: &cached, CacheWrite: &written, Output: 5 * budget.One},
		},
	}, cfg)
	require.ErrorContains(t, yaml.Unmarshal([]byte("day: {money: 1e3}"), &cfg), "no amount of money")

	data, err := json.Marshal(budget.Limits{Money: 1_250_000})
	require.NoError(t, err)
	require.JSONEq(t, `{"money": "1.25"}`, string(data))
}

func TestCost(t *testing.T) {
	t.Parallel()
	cached := budget.Money(100_000)
	price := budget.Price{Input: 400_000, CachedInput: &cached, Output: 1_600_000}
	written := budget.Money(500_000)
	caches := budget.Price{Input: 400_000, CachedInput: &cached, CacheWrite: &written, Output: 1_600_000}
	for name, c := range map[string]struct {
		price budget.Price
		usage conversation.Usage
		want  budget.Money
	}{
		"Nothing":            {price, conversation.Usage{}, 0},
		"AMillionEach":       {price, conversation.Usage{InputTokens: 1e6, OutputTokens: 1e6}, 2 * budget.One},
		"Cached":             {price, conversation.Usage{InputTokens: 1e6, CachedInputTokens: 75e4, OutputTokens: 1e6}, 1_775_000},
		"RoundsUp":           {price, conversation.Usage{InputTokens: 1}, 1},
		"OnceInAll":          {price, conversation.Usage{InputTokens: 1, OutputTokens: 1}, 2},
		"MoreCachedThanRead": {price, conversation.Usage{InputTokens: 10, CachedInputTokens: 1000}, 1},
		"CachedAsInput":      {budget.Price{Input: budget.One}, conversation.Usage{InputTokens: 10, CachedInputTokens: 5}, 10},
		"Written":            {caches, conversation.Usage{InputTokens: 1e6, CacheWriteTokens: 1e6}, 500_000},
		"ReadAndWritten":     {caches, conversation.Usage{InputTokens: 1e6, CachedInputTokens: 5e5, CacheWriteTokens: 25e4, OutputTokens: 1e6}, 1_875_000},
		"MoreThanThereIs":    {caches, conversation.Usage{InputTokens: 1e6, CachedInputTokens: 75e4, CacheWriteTokens: 75e4}, 200_000},
		"WrittenAsInput":     {price, conversation.Usage{InputTokens: 1e6, CacheWriteTokens: 5e5}, 400_000},
		"NegativeWritten":    {caches, conversation.Usage{InputTokens: 1e6, CachedInputTokens: -5, CacheWriteTokens: -5}, 400_000},
		"NegativeIsNothing":  {price, conversation.Usage{InputTokens: -5, OutputTokens: -5}, 0},
		"TooMuchToCount":     {budget.Price{Input: math.MaxInt64}, conversation.Usage{InputTokens: math.MaxInt64}, math.MaxInt64},
		"NoPrice":            {budget.Price{}, conversation.Usage{InputTokens: 1e9}, 0},
	} {
		require.Equal(t, c.want, c.price.Cost(c.usage), name)
	}
}

func TestFindPrice(t *testing.T) {
	t.Parallel()
	prices := budget.Prices{
		"gpt-4.1": {Input: 1}, "gpt-4.1-mini": {Input: 2}, "gemini-2.5-*": {Input: 3}, "gemini-2.5-pro*": {Input: 4},
		"azure/gpt-4.1": {Input: 5}, "meta-llama/llama-3": {Input: 6}, "ollama/*": {},
	}
	for model, want := range map[string]budget.Money{
		"openai|gpt-4.1":                 1,
		"openai|gpt-4.1-2025-04-14":      1,
		"openai|gpt-4.1-mini":            2,
		"openai|gpt-4.1-mini-2025-04-14": 2,
		"anthropic|gpt-4.1-20250414":     1,
		"gemini|gemini-2.5-flash":        3,
		"gemini|gemini-2.5-pro-001":      4,
		"azure|gpt-4.1":                  5,
		"openrouter|meta-llama/llama-3":  6,
		"ollama|gpt-4.1":                 0,
		"openai|gpt-4.1-nano":            -1,
		"openai|":                        -1,
	} {
		provider, name, _ := strings.Cut(model, "|")
		price, ok := prices.Find(provider, name)
		require.Equal(t, want >= 0, ok, model)
		if ok {
			require.Equal(t, want, price.Input, model)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	limits := budget.Limits{Tokens: 100, Money: budget.One}
	for name, c := range map[string]struct {
		spent budget.Amount
		want  string
	}{
		"Nothing":     {budget.Amount{}, ""},
		"AlmostAll":   {budget.Amount{Tokens: 99, Money: budget.One - 1}, ""},
		"AllTokens":   {budget.Amount{Tokens: 100}, "100 of 100 tokens are spent"},
		"AllMoney":    {budget.Amount{Money: budget.One}, "1.00 of 1.00 USD are spent"},
		"MoreThanAll": {budget.Amount{Tokens: 150, Money: budget.One}, "150 of 100 tokens are spent"},
	} {
		require.Equal(t, c.want, limits.Over(c.spent, "USD"), name)
	}
	require.Empty(t, budget.Limits{}.Over(budget.Amount{Tokens: math.MaxInt64}, "USD"), "no limits")
	require.Equal(t, int64(30), budget.Tokens(conversation.Usage{InputTokens: 20, CachedInputTokens: 15, OutputTokens: 10}))
}
