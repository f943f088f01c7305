package failover

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/settings"
)

// The defaults of a [Config].
const (
	// DefaultAttempts keeps one failed attempt from changing the model.
	DefaultAttempts = 2
	// DefaultMaxDelay is about as long as the other side of a conversation waits
	// without wondering.
	DefaultMaxDelay = 30 * time.Second
	DefaultFailures = 3
	DefaultOpenFor  = time.Minute
)

// Config says which executors make up a chain, and when the next is asked.
type Config struct {
	// Links are the names of the executors, the preferred first. Required.
	Links []string `yaml:"links"`
	// Attempts is how many attempts in a row a link gets. Default: DefaultAttempts.
	Attempts int `yaml:"attempts"`
	// MaxDelay is the longest delay that a link may ask for. If it asks for more,
	// or its rate limit does, the next link is asked at once. Default:
	// DefaultMaxDelay.
	MaxDelay time.Duration `yaml:"max_delay"`
	// SwitchOn are the kinds of failure after which the next link is asked at once.
	// Default: Unauthorized and QuotaExhausted. An empty list: none.
	SwitchOn []conversation.Kind `yaml:"switch_on"`
	// Stay lets a conversation keep to the link that spoke last. Otherwise each
	// turn begins with the first link.
	Stay bool `yaml:"stay"`
	// Breaker says when a provider is blocked.
	Breaker BreakerConfig `yaml:"breaker"`
}

// BreakerConfig says when a provider is blocked. Chains with the same settings
// share their breakers.
type BreakerConfig struct {
	// Failures in a row open the breaker. Default: DefaultFailures.
	Failures int `yaml:"failures"`
	// OpenFor is how long the provider is blocked then. Default: DefaultOpenFor.
	OpenFor time.Duration `yaml:"open_for"`
}

func (c *Config) setDefaults() {
	c.Attempts = cmp.Or(c.Attempts, DefaultAttempts)
	c.MaxDelay = cmp.Or(c.MaxDelay, DefaultMaxDelay)
	if c.SwitchOn == nil {
		c.SwitchOn = []conversation.Kind{conversation.Unauthorized, conversation.QuotaExhausted}
	}
	c.Breaker.Failures = cmp.Or(c.Breaker.Failures, DefaultFailures)
	c.Breaker.OpenFor = cmp.Or(c.Breaker.OpenFor, DefaultOpenFor)
}

func (c *Config) switches(kind conversation.Kind) bool { return slices.Contains(c.SwitchOn, kind) }

// kinds are those that may stand in switch_on. BudgetSpent is what package
// budget reports: a chain may continue with a model that costs nothing.
var kinds = []conversation.Kind{
	conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.Unavailable,
	conversation.ContextTooLong, conversation.Refused, conversation.Invalid, "BudgetSpent",
}

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate() error {
	var f settings.Faults
	f.Count("attempts", int64(c.Attempts))
	f.Duration("max_delay", c.MaxDelay)
	for i, kind := range c.SwitchOn {
		if !slices.Contains(kinds, kind) {
			f.Add(fmt.Sprintf("switch_on[%d]", i), "use "+settings.Or(words(kinds)), "is %q, which is no kind of failure", kind)
		}
	}
	f.Count("breaker.failures", int64(c.Breaker.Failures))
	f.Duration("breaker.open_for", c.Breaker.OpenFor)
	return f.Err()
}

// Validate reports every fault that can be found before there are executors, each
// with its key and what would be right.
func (c Config) Validate() error { return errors.Join(c.validate(), validateNames(c.Links)) }

func validate(links []Link) error {
	var (
		names []string
		errs  []error
	)
	for i, l := range links {
		names = append(names, l.Name)
		if l.Name != "" && l.Name != executors.Auto && l.Executor == nil {
			errs = append(errs, settings.Fault(fmt.Sprintf("links[%d]", i), "", "is %q, and there is no such executor", l.Name))
		}
	}
	return errors.Join(append(errs, validateNames(names))...)
}

func validateNames(links []string) error {
	var errs []error
	if len(links) == 0 {
		errs = append(errs, settings.Fault("links", "name the executors, the preferred first", "is empty"))
	}
	seen := make(map[string]bool)
	for i, name := range links {
		switch {
		case name == "" || name == executors.Auto:
			errs = append(errs, settings.Fault(fmt.Sprintf("links[%d]", i), "write the name of an executor", "is %q", name))
		case seen[name]:
			errs = append(errs, settings.Fault(fmt.Sprintf("links[%d]", i), "take one out", "is %q, which is there twice", name))
		}
		seen[name] = true
	}
	return errors.Join(errs...)
}

func words(kinds []conversation.Kind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return out
}
