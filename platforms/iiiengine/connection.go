package iiiengine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/settings"
)

// closeTimeout bounds the drain in Close.
const closeTimeout = 5 * time.Second

// A connection is opened when it is first needed.
type connection struct {
	mu      sync.Mutex
	worker  *iii.Worker
	closed  bool
	changed chan struct{} // closed at each change of the worker's state
}

// Introduce sets the version and the logger of the process. Call it before the first use.
func (p *Platform) Introduce(version string, logger *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg.Version, p.cfg.Logger = version, logger
}

// Worker returns the connection to the engine, which all users share. It connects in the
// background; the error is that the platform is closed.
func (p *Platform) Worker() (*iii.Worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, &conversation.Error{Kind: conversation.Unavailable, Op: "iii: connect to " + p.shown(), Err: iii.ErrClosed}
	case p.worker != nil:
		return p.worker, nil
	}
	w, err := iii.Connect(context.Background(), p.options())
	if err != nil {
		return nil, &conversation.Error{Kind: conversation.Invalid, Op: "iii: connect to " + p.shown(), Err: err}
	}
	p.worker = w
	return w, nil
}

// Changed returns a channel that is closed when the worker's state next changes.
func (p *Platform) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *Platform) onState(iii.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close waits up to 5 s for running handlers and closes the connection.
func (p *Platform) Close() error {
	p.mu.Lock()
	w := p.worker
	p.closed = true
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := w.Shutdown(ctx); err != nil && !errors.Is(err, iii.ErrClosed) {
		return fmt.Errorf("iii: close: %w", err)
	}
	return nil
}

func (p *Platform) options() iii.Options {
	o := iii.Options{
		URL: p.cfg.URL, Headers: settings.RevealHeaders(p.cfg.Headers), Query: settings.RevealQuery(p.cfg.Query), HTTPClient: p.cfg.HTTPClient,
		Name: uniqueName(p.cfg.WorkerName), Description: "Durable conversations with agents", Version: p.cfg.Version,
		Namespace: p.cfg.Namespace, Logger: p.cfg.Logger, OnState: p.onState,
	}
	if p.cfg.Era != "" {
		o.Era = iii.Era(p.cfg.Era[0])
	}
	return o
}

// uniqueName adds the host and random characters: an engine rejects a second worker of
// one name for good, even if the first is the same process, whose lost connection the
// engine has not closed yet.
func uniqueName(name string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%s:%s", name, host, strings.ToLower(rand.Text()[:6]))
}

// shown is the address without the parts that may be secret.
func (p *Platform) shown() string {
	u, err := url.Parse(p.cfg.URL)
	if err != nil {
		return "the engine"
	}
	return u.Scheme + "://" + u.Host
}

// failed classifies the error of a call.
func (p *Platform) failed(op string, err error) error {
	e := &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: err}
	var (
		answer *iii.Error
		given  *conversation.Error
	)
	switch {
	case errors.As(err, &given): // the attempt may not act any more
		e.Kind, e.Remedy = given.Kind, given.Remedy
	case errors.As(err, &answer):
		classify(e, answer)
		if answer.Code == iii.CodeAuth && p.knownGood() {
			// An engine checks credentials with a function, which may start after it.
			e.Kind = conversation.Unavailable
		}
	case errors.Is(err, iii.ErrRejected):
		e.Kind, e.Remedy = conversation.Invalid, "find the other worker that connects to the engine with this name"
	case errors.Is(err, iii.ErrNotSent), errors.Is(err, iii.ErrClosed):
	default: // timeout, lost connection, end of the context
		e.Ambiguous = true
	}
	return e
}

// knownGood reports whether the engine has accepted the credentials before.
func (p *Platform) knownGood() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worker != nil && p.worker.ID() != ""
}

// classify sets the kind for an error that the engine or the function answered with. An
// error that may pass, such as a function or a rule that is missing after a restart, is
// Unavailable.
func classify(e *conversation.Error, answer *iii.Error) {
	switch answer.Code {
	case iii.CodeAuth:
		e.Kind, e.Remedy = conversation.Unauthorized, "check headers and query: the engine refuses them"
	case iii.CodeForbidden:
		e.Remedy = "the engine's access rules must expose the function to this worker"
	case iii.CodeFunctionNotFound:
		e.Remedy = "start the worker that serves it"
	case iii.CodeInvocationStopped, "invocation_error", "channel_send_failed":
		e.Ambiguous = true
	case iii.CodeInvalidRequest, "invalid_input":
		e.Kind, e.Answered = conversation.Invalid, true
	case "rate_limited":
		e.Kind, e.Answered = conversation.RateLimited, true
	default:
		e.Ambiguous, e.Answered = true, true
	}
}
