package budget

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/settings"
)

// DefaultCurrency is the label of amounts of money. Nothing is converted.
const DefaultCurrency = "USD"

// Config says how much an executor may spend, and what things cost.
type Config struct {
	// Name is the account that is spent from. Executors with the same name share
	// their budget. [New] requires it; the reader of the configuration fills in the
	// executor's own name.
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
	// Executor is the name of the executor within, for Observer, which is called with the
	// money of each call. Nil: nothing is.
	Executor string   `yaml:"-"`
	Observer Observer `yaml:"-"`
	// Logger gets warnings. Default: none.
	Logger *slog.Logger `yaml:"-"`
}

func (c *Config) setDefaults() {
	c.Currency = cmp.Or(c.Currency, DefaultCurrency)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
}

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate(hasLedger bool) (*time.Location, error) {
	var f settings.Faults
	if c.Day.Tokens < 0 {
		f.Add("day.tokens", "write 1 or more, or leave it out", "is %d", c.Day.Tokens)
	}
	if c.Day.Money < 0 {
		f.Add("day.money", "write more than 0, or leave it out", "is %s", c.Day.Money)
	}
	if c.Day != (Limits{}) {
		if c.Name == "" || strings.Contains(c.Name, "/") {
			f.Add("name", "write a name without \"/\"", "is %q", c.Name)
		}
		if !hasLedger {
			f.Add("day", "", "is limited, but there is no ledger to keep what is spent")
		}
	}
	if c.Day.Money > 0 && len(c.Prices) == 0 {
		f.Add("day.money", "add prices, or limit tokens", "is limited, but there are no prices")
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		f.Add("time_zone", "write one like Europe/Berlin, or leave it out for UTC", "is %q", c.TimeZone)
	}
	for _, model := range slices.Sorted(maps.Keys(c.Prices)) {
		if strings.TrimSuffix(model, "*") == "" || strings.Contains(strings.TrimSuffix(model, "*"), "*") {
			f.Add("prices."+model, "an asterisk may stand at its end", "is no name of a model")
		}
		p := c.Prices[model]
		for _, price := range []struct {
			key   string
			value *Money
		}{{"input", &p.Input}, {"output", &p.Output}, {"cached_input", p.CachedInput}, {"cache_write", p.CacheWrite}} {
			if price.value != nil && *price.value < 0 {
				f.Add("prices."+model+"."+price.key, "write 0 or more", "is %s", *price.value)
			}
		}
	}
	return zone, f.Err()
}
