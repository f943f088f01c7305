package failover

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// The defaults of a [Config].
const (
	// DefaultAttempts lets a blip pass before the model changes.
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
	// Breaker says when a provider is left alone.
	Breaker BreakerConfig `yaml:"breaker"`
}

// BreakerConfig says when a provider is left alone. Chains with the same settings
// share their breakers.
type BreakerConfig struct {
	// Failures in a row open the breaker. Default: DefaultFailures.
	Failures int `yaml:"failures"`
	// OpenFor is how long nobody asks then. Default: DefaultOpenFor.
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
// budget reports: a chain may go on with a model that costs nothing.
var kinds = []conversation.Kind{
	conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.Unavailable,
	conversation.ContextTooLong, conversation.Refused, conversation.Invalid, "BudgetSpent",
}

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Attempts < 0 {
		fault("attempts is %d: write 1 or more, or leave it out", c.Attempts)
	}
	if c.MaxDelay < 0 {
		fault("max_delay is %v: write more than 0, or leave it out", c.MaxDelay)
	}
	for _, kind := range c.SwitchOn {
		if !slices.Contains(kinds, kind) {
			fault("switch_on: %q is no kind of failure: use %s", kind, strings.Join(words(kinds), ", "))
		}
	}
	if c.Breaker.Failures < 0 {
		fault("breaker: failures is %d: write 1 or more, or leave it out", c.Breaker.Failures)
	}
	if c.Breaker.OpenFor < 0 {
		fault("breaker: open_for is %v: write more than 0, or leave it out", c.Breaker.OpenFor)
	}
	return errors.Join(errs...)
}

// Validate reports every fault that can be told before there are executors, each
// with its key and what would be right.
func (c Config) Validate() error { return errors.Join(c.validate(), validateNames(c.Links)) }

func validate(links []Link) error {
	var (
		names []string
		errs  []error
	)
	for _, l := range links {
		names = append(names, l.Name)
		if l.Name != "" && l.Name != executors.Auto && l.Executor == nil {
			errs = append(errs, fmt.Errorf("links: there is no executor %q", l.Name))
		}
	}
	return errors.Join(append(errs, validateNames(names))...)
}

func validateNames(links []string) error {
	var errs []error
	if len(links) == 0 {
		errs = append(errs, errors.New("links: there are none: name the executors, the preferred first"))
	}
	seen := make(map[string]bool)
	for i, name := range links {
		switch {
		case name == "" || name == executors.Auto:
			errs = append(errs, fmt.Errorf("links: number %d is %q: write the name of an executor", i+1, name))
		case seen[name]:
			errs = append(errs, fmt.Errorf("links: %q is there twice", name))
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
