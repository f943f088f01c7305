package limit

import (
	"cmp"
	"time"

	"github.com/parley-run/parley/internal/settings"
)

// DefaultMaxWait is long enough to smooth a burst, and too short for a worker's
// slots to fill up with requests that only wait.
const DefaultMaxWait = 5 * time.Second

// DefaultConcurrency is how many calls of one quota may be under way in a worker at a
// time, unless its configuration says otherwise: more than most providers allow to one
// key, and few enough for a worker to keep alive at Temporal while a thousand
// conversations begin at once.
const DefaultConcurrency = 100

// LongestDelay is the longest delay that is asked of a caller at once. A longer
// wait is waited in parts: a caller takes a much longer one for a sign that the
// provider is closed.
const LongestDelay = 4 * time.Minute

// Config says how much an executor may ask of its provider. All limits are
// those of the quota, so of all executors that share it, in one worker process.
type Config struct {
	// Concurrency bounds the calls under way at a time. Zero: what another executor with
	// the quota says, and if none does, DefaultConcurrency. -1: no bound.
	Concurrency int `yaml:"concurrency"`
	// RequestsPerMinute bounds the requests. Zero: what the provider reports, and
	// if it reports nothing, no bound until it says that there were too many.
	RequestsPerMinute int `yaml:"requests_per_minute"`
	// TokensPerMinute bounds the tokens, those read and those written together.
	// Zero: as with RequestsPerMinute.
	TokensPerMinute int64 `yaml:"tokens_per_minute"`
	// MaxWait is how long a request waits for its turn within the worker. One that
	// would wait longer is given back, to be retried when its turn comes.
	// Default: DefaultMaxWait.
	MaxWait time.Duration `yaml:"max_wait"`
	// Quota distinguishes quotas of one provider, endpoint and key, where the
	// provider counts more finely: by model, by deployment. Executors that name
	// the same quota share it. Default: one for the key.
	Quota string `yaml:"quota"`
}

func (c *Config) setDefaults() { c.MaxWait = cmp.Or(c.MaxWait, DefaultMaxWait) }

// validate reports every fault, each with its key and what would be right.
func (c *Config) validate() error {
	var f settings.Faults
	if c.Concurrency < -1 {
		f.Add("concurrency", "write 1 or more, -1 for no bound, or leave it out", "is %d", c.Concurrency)
	}
	f.Count("requests_per_minute", int64(c.RequestsPerMinute))
	f.Count("tokens_per_minute", c.TokensPerMinute)
	if c.MaxWait < 0 || c.MaxWait > time.Minute {
		f.Add("max_wait", "write more than 0 and at most 1m", "is %v", c.MaxWait)
	}
	return f.Err()
}
