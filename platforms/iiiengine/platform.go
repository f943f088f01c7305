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

// Platform is the platform of an iii engine. It is safe for concurrent use. Create it
// with [New], and Close it.
type Platform struct {
	cfg Config
	connection
	unpublished atomic.Bool // the engine cannot publish events, which has been logged
}

var (
	_ platforms.Transport = (*Platform)(nil)
	_ platforms.Listener  = (*Platform)(nil)
)

// New validates the configuration and reports every fault at once. It does not connect:
// the first use does.
func New(cfg Config) (*Platform, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("iii: %w", err)
	}
	p := &Platform{cfg: cfg.withDefaults()}
	p.changed = make(chan struct{})
	return p, nil
}

// Instance is the platform with its name.
func (p *Platform) Instance() platforms.Instance {
	return platforms.Instance{Name: p.cfg.Name, Platform: p}
}

// Config returns the platform's settings, with defaults.
func (p *Platform) Config() Config { return p.cfg }

// Format writes the address for every verb, because other fields hold secrets.
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

// Connected returns nil if the engine is connected, else the cause. It is nil before the
// first use, too.
func (p *Platform) Connected() error {
	p.mu.Lock()
	w := p.worker
	p.mu.Unlock()
	if w == nil || w.State() == iii.Connected {
		return nil
	}
	err := w.Err()
	if err == nil {
		err = errors.New("the first attempt has not ended")
	}
	return fmt.Errorf("iii: not connected to %s: %w", p.shown(), err)
}

// Check connects, or returns the first attempt's error.
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

// checkQueue returns an error if the engine has no queue for the inbox.
func (p *Platform) checkQueue(ctx context.Context, w *iii.Worker) error {
	if p.cfg.Inbox == "" {
		return nil
	}
	_, err := w.Dialect(ctx)
	switch {
	case errors.Is(err, iii.ErrUnsupported):
		return &conversation.Error{
			Kind: conversation.Unavailable, Op: "iii: inbox " + p.cfg.Inbox, Err: errors.New("the engine has no queue, or hides it"),
			Remedy: "load the engine's queue, set era to the engine's, or set inbox: off",
		}
	case err != nil:
		return p.failed("iii: list the functions of "+p.shown(), err)
	}
	return nil
}
