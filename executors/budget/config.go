package budget

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// DefaultCurrency is the label of amounts of money. Nothing is converted.
const DefaultCurrency = "USD"

// Config says how much an executor may spend, and what things cost.
type Config struct {
	// Name is the account that is spent from. Executors with the same name share
	// their budget. Default: the executor's own name, which whoever reads the
	// configuration puts in.
	Name string `yaml:"name"`
	// Day bounds what is spent in a day, by all workers together.
	Day Limits `yaml:"day"`
	// TimeZone says when a day begins: "Europe/Berlin". Default: UTC.
	TimeZone string `yaml:"time_zone"`
	// Prices by model. A model without one is counted in tokens only.
	Prices Prices `yaml:"prices"`
	// Currency is the label of the money. Default: DefaultCurrency.
	Currency string `yaml:"currency"`

	// Provider and Model are what the executor within is set to: attempts that
	// fail do not say who was asked.
	Provider string `yaml:"-"`
	Model    string `yaml:"-"`
	// Logger gets warnings. Default: none.
	Logger *slog.Logger `yaml:"-"`
}

func (c *Config) setDefaults() {
	c.Currency = cmp.Or(c.Currency, DefaultCurrency)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
}

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate(hasLedger bool) (*time.Location, error) {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Day.Tokens < 0 {
		fault("day: tokens is %d: write 1 or more, or leave it out", c.Day.Tokens)
	}
	if c.Day.Money < 0 {
		fault("day: money is %s: write more than 0, or leave it out", c.Day.Money)
	}
	if c.Day != (Limits{}) {
		if c.Name == "" || strings.Contains(c.Name, "/") {
			fault("name is %q: write a name without \"/\"", c.Name)
		}
		if !hasLedger {
			fault("day: there is no ledger to keep what is spent")
		}
	}
	if c.Day.Money > 0 && len(c.Prices) == 0 {
		fault("day: money is limited, but there are no prices: add prices, or limit tokens")
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		fault("time_zone is %q: write one like Europe/Berlin, or leave it out for UTC", c.TimeZone)
	}
	for _, model := range slices.Sorted(maps.Keys(c.Prices)) {
		if strings.TrimSuffix(model, "*") == "" || strings.Contains(strings.TrimSuffix(model, "*"), "*") {
			fault("prices: %q is no name of a model: an asterisk may stand at its end", model)
		}
		p := c.Prices[model]
		if p.Input < 0 || p.Output < 0 || p.CachedInput != nil && *p.CachedInput < 0 || p.CacheWrite != nil && *p.CacheWrite < 0 {
			fault("prices: %s: a price is below 0", model)
		}
	}
	return zone, errors.Join(errs...)
}
