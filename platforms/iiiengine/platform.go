package iiiengine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Platform is an iii engine as a platform. It is safe for concurrent use. Create it
// with [New], and Close it.
type Platform struct {
	cfg Config
	connection
	untold atomic.Bool // the engine cannot publish events, which has been logged
}

var (
	_ platforms.Transport = (*Platform)(nil)
	_ platforms.Listener  = (*Platform)(nil)
)

// New checks the configuration, reporting every fault at once, and connects to
// nothing. The connection is made when it is first needed.
func New(cfg Config) (*Platform, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("iii: %w", err)
	}
	p := &Platform{cfg: cfg.withDefaults()}
	p.changed = make(chan struct{})
	return p, nil
}

// Instance is the platform as a worker holds it.
func (p *Platform) Instance() platforms.Instance {
	return platforms.Instance{Name: p.cfg.Name, Platform: p}
}

// Config is what the platform was made of, with its defaults.
func (p *Platform) Config() Config { return p.cfg }

// Format writes the address under every verb: there are secrets in the rest.
func (p *Platform) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "iii platform at "+p.shown())
}

func (p *Platform) logger() *slog.Logger {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.cfg.Logger
}

// Connected says whether the engine is connected at the moment, and if not, why. Nothing
// is said before there is anything to connect for.
func (p *Platform) Connected() error {
	p.mu.Lock()
	w := p.worker
	p.mu.Unlock()
	if w == nil || w.State() == iii.Connected {
		return nil
	}
	err := w.Err()
	if err == nil {
		err = errors.New("the connection is being made")
	}
	return fmt.Errorf("iii: not connected to %s: %w", p.shown(), err)
}

// Check connects, or says why it cannot. It does not wait for a second attempt.
func (p *Platform) Check(ctx context.Context, _, _ string) error {
	op := "iii: connect to " + p.shown()
	w, err := p.Worker()
	if err != nil {
		return err
	}
	for {
		changed := p.Changed()
		switch state, err := w.State(), w.Err(); state {
		case iii.Connected:
			return p.checkQueue(ctx, w)
		case iii.Failed, iii.Closed, iii.Reconnecting:
			if err != nil {
				return p.failed(op, err)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return p.failed(op, ctx.Err())
		}
	}
}

// checkQueue finds an engine on which the inbox would stay silent.
func (p *Platform) checkQueue(ctx context.Context, w *iii.Worker) error {
	if p.cfg.Inbox == "" {
		return nil
	}
	_, err := w.Dialect(ctx)
	switch {
	case errors.Is(err, iii.ErrUnsupported):
		return &conversation.Error{
			Kind: conversation.Unavailable, Op: "iii: inbox " + p.cfg.Inbox, Err: errors.New("the engine shows no queue"),
			Remedy: "load the engine's queue, say with era which engine it is, or set inbox: off",
		}
	case err != nil:
		return p.failed("iii: ask "+p.shown()+" for its functions", err)
	}
	return nil
}
