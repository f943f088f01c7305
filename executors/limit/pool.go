package limit

import (
	"cmp"
	"sync"

	"github.com/parley-run/parley/internal/settings"
)

// A Pool holds the limiters of a process, one for each quota.
type Pool struct {
	observer Observer

	mu       sync.Mutex
	limiters map[Key]*limiter
}

// NewPool returns a pool without limiters. The observer may be nil.
func NewPool(observer Observer) *Pool {
	return &Pool{observer: observer, limiters: make(map[Key]*limiter)}
}

// limiter returns the one for key. What an executor leaves open, another one may
// say; that they say different things is a mistake.
func (p *Pool) limiter(key Key, cfg Config) (*limiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.limiters[key]
	if l == nil {
		l = newLimiter(key, p.observer)
		p.limiters[key] = l
	}
	return l, l.configure(cfg)
}

// configure takes over the limits of one more executor.
func (l *limiter) configure(cfg Config) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var f settings.Faults
	differ := func(field string, a, b int64) {
		if a != 0 && b != 0 && a != b {
			f.Add(field, "write the same number, or name the quotas differently with quota",
				"is %d here and %d at another executor with the same quota, %s", b, a, l.key)
		}
	}
	differ("concurrency", int64(l.concurrency), int64(cfg.Concurrency))
	differ("requests_per_minute", l.requests.configured, int64(cfg.RequestsPerMinute))
	differ("tokens_per_minute", l.tokens.configured, cfg.TokensPerMinute)
	if err := f.Err(); err != nil {
		return err
	}
	l.concurrency = cmp.Or(l.concurrency, cfg.Concurrency)
	l.requests.configure(int64(cfg.RequestsPerMinute))
	l.tokens.configure(cfg.TokensPerMinute)
	return nil
}
