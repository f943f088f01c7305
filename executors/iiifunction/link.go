package iiifunction

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/settings"
)

// A link is the executor's one connection, made when it is first needed.
type link struct {
	// open is a function, so that no secret is in a field that fmt would print.
	open func() (*iii.Worker, error)

	mu     sync.Mutex
	worker *iii.Worker // nil: none yet
	closed bool
}

func newLink(cfg Config, log *slog.Logger) *link {
	headers, query := maps.Clone(cfg.Headers), maps.Clone(cfg.Query)
	return &link{open: func() (*iii.Worker, error) {
		opts := iii.Options{
			URL: cfg.URL, Headers: settings.RevealHeaders(headers), Query: settings.RevealQuery(query), HTTPClient: cfg.HTTPClient, Logger: log,
			// Engines from 0.23 have one worker of a name, and this process may have more.
			Name: "parley-executor-" + uuid.NewString()[:13], Description: "calls " + cfg.Function + " for Parley",
		}
		// It outlives the first request; close ends it.
		return iii.Connect(context.Background(), opts)
	}}
}

// get returns the worker, connected or not. It replaces one that the engine has rejected.
func (l *link) get() (*iii.Worker, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(iii.ErrNotSent, iii.ErrClosed)
	}
	if l.worker != nil && l.worker.State() != iii.Failed {
		return l.worker, nil
	}
	w, err := l.open()
	if err != nil {
		return nil, errors.Join(iii.ErrNotSent, err)
	}
	l.worker = w
	return w, nil
}

// An unreachable error is a missing connection, with its cause.
type unreachable struct{ cause error }

func (e *unreachable) Error() string {
	if e.cause == nil {
		return "no connection to the engine in time"
	}
	return "no connection to the engine: " + e.cause.Error()
}

func (e *unreachable) Unwrap() []error { return []error{iii.ErrNotSent, e.cause} }

// connect returns the worker once it is connected.
func (l *link) connect(ctx context.Context, within time.Duration) (*iii.Worker, error) {
	w, err := l.get()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := w.WaitConnected(ctx); err != nil {
		return nil, &unreachable{w.Err()}
	}
	return w, nil
}

// knownGood reports whether the engine has accepted the credentials before.
func (l *link) knownGood() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worker != nil && l.worker.ID() != ""
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.worker != nil {
		l.worker.Close()
		<-l.worker.Done()
	}
}
